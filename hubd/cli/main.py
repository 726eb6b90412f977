"""hubctl: what a technician types at a hub. It asks the daemon over its local socket and shows the
answer.

Laws:
1. It only looks, unless a command says otherwise.
2. Exit status: 0 all is well, 1 an error stands (or evidence is broken), 2 there is no answer, and
   then the sentence says what to do. 70, 74, 130 and 141 say nothing of the hub: see
   `docs/hubctl.md`.
3. `--json` prints one document with `"schema": 1`, in which keys are added but never change their
   meaning.
4. What is shown cannot steer a terminal, as text and as JSON.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import click

from hubd import __version__
from hubd.cli.client import DEFAULT_SOCKET, HubClient, NoAnswer, ReaderGone
from hubd.cli.show import Page, clean, clock_text, document, doors_table, event_line, status_page
from hubd.output import as_tool, prepare, reader_gone

DISTRIBUTION = "hubd-access-hub"
OK = 0
PROBLEM = 1
NO_ANSWER = 2
INTERRUPTED = 130
"""As a shell says it of a program that was ended by Ctrl-C."""
WATCH_SECONDS = 2.0

_ELSEWHERE = {"audit": "hubd.cli.audit"}
"""Groups that stand in a module of their own, loaded when they are asked for."""


class _Commands(click.Group):
    """The commands, with those of `_ELSEWHERE`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = [name for name, module in _ELSEWHERE.items() if importlib.util.find_spec(module)]
        return sorted([*super().list_commands(ctx), *found])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx) or cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(_ELSEWHERE[cmd_name]), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


def _remember(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.obj = path


_SOCKET = click.option(
    "--socket",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_remember,
    help="The daemon's local socket.",
)
"""May stand after a command as well as before it."""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket",
    type=click.Path(path_type=Path),
    envvar="HUBD_SOCKET",
    default=DEFAULT_SOCKET,
    expose_value=False,
    callback=_remember,
    show_default=True,
    show_envvar=True,
    help="The daemon's local socket.",
)
@click.version_option(version=__version__, prog_name="hubctl")
def hubctl() -> None:
    """Look at the access hub of this machine."""


_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines."
)


@hubctl.command()
@_JSON
@_SOCKET
@click.option(
    "--watch", is_flag=True, help=f"Show it again every {WATCH_SECONDS:g} s until Ctrl-C."
)
@click.pass_obj
def status(path: Path, as_json: bool, watch: bool) -> None:
    """Show how the hub is. Exit status 1 while a problem of severity error stands."""
    if watch:
        _watch(path, as_json)
    answer = _ask(path, "status", as_json)
    if as_json:
        _print_json(answer)
    else:
        status_page(answer).show()
    sys.exit(_judge(answer))


@hubctl.command()
@_JSON
@_SOCKET
@click.pass_obj
def doors(path: Path, as_json: bool) -> None:
    """Show the doors and the ways through them."""
    answer = _ask(path, "doors", as_json)
    if as_json:
        _print_json(answer)
    else:
        Page(tables=[doors_table(answer["doors"])]).show()


@hubctl.command("trust-clock")
@_JSON
@_SOCKET
@click.pass_obj
def trust_clock(path: Path, as_json: bool) -> None:
    """Say that the clock is right now, after it stood wrong; it is recorded. Needs root.

    Exit status 1 when the hub does not believe the clock even so.
    """
    answer = _ask(path, "trust-clock", as_json)
    trusted = answer.get("state") == "trusted"
    if as_json:
        _print_json(answer)
    elif trusted and not answer.get("vouched"):
        print(f"The clock is trusted already, nothing was changed: {clock_text(answer)}.")
    else:
        print(
            "You have said that the clock is right, which is recorded. The clock is "
            f"{clock_text(answer)}."
        )
    sys.exit(OK if trusted else PROBLEM)


@hubctl.command("accept-state")
@_JSON
@_SOCKET
@click.pass_obj
def accept_state(path: Path, as_json: bool) -> None:
    """Say that the policy and the log on the disk are right as they are, after one was lost;
    recorded. Needs root.
    """
    answer = _ask(path, "accept-state", as_json)
    if as_json:
        _print_json(answer)
    elif answer["was"] is None:
        print("Nothing was in doubt.")
    else:
        print(
            f"Accepted ({clean(answer['was'])}). The policy in force is version "
            f"{clean(answer['policy_version'])}."
        )


@hubctl.command()
@_JSON
@_SOCKET
@click.pass_obj
def tail(path: Path, as_json: bool) -> None:
    """Show events as they happen, until Ctrl-C or until nobody reads them."""
    try:
        with HubClient(path) as client:
            if sys.stderr.isatty() and not as_json:
                print("events of this hub, as they happen; Ctrl-C ends it", file=sys.stderr)
            for told in client.tail(_output()):
                if as_json:
                    _print_json(told)
                elif "lost" in told:
                    print(
                        f"... {clean(told['lost'])} events lost here: this terminal was too slow",
                        flush=True,
                    )
                elif isinstance(told.get("event"), dict):
                    print(event_line(told["event"]), flush=True)
    except ReaderGone:
        reader_gone()
    except NoAnswer as error:
        _fail(error, as_json)
    except KeyboardInterrupt:
        sys.exit(OK)


def _output() -> int | None:
    """The descriptor that is printed to; None when there is none."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None


def _ask(path: Path, call: str, as_json: bool) -> dict[str, Any]:
    """Return the document of one call, or end with the sentence of why there is none."""
    try:
        with HubClient(path) as client:
            return _document(call, client.call(call))
    except NoAnswer as error:
        _fail(error, as_json)


def _document(call: str, answer: Any) -> dict[str, Any]:
    """Return an answer as a document; a list under the name of its call.

    Raise NoAnswer for another answer.
    """
    match call, answer:
        case "status", dict():
            return {**answer, "installed_version": _installed_version()}
        case ("trust-clock", {"state": str()}) | (
            "accept-state",
            {"was": str() | None, "policy_version": int()},
        ):
            return dict(answer)
        case "doors", list() if all(isinstance(item, dict) for item in answer):
            return {call: answer}
    raise NoAnswer(
        "protocol", "hubd answered what this hubctl does not know; are both of one version?"
    )


def _installed_version() -> str:
    """Return the version that lies beside this hubctl now: a long `status --watch` may have been
    overtaken by it.
    """
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return __version__


def _judge(status: dict[str, Any]) -> int:
    problems = status.get("problems")
    severities = (
        [p.get("severity") for p in problems if isinstance(p, dict)]
        if isinstance(problems, list)
        else []
    )
    return PROBLEM if "error" in severities else OK


def _watch(path: Path, as_json: bool) -> NoReturn:
    """Show the status again and again, also through a restart of the daemon; Ctrl-C ends it with
    the last state.
    """
    state = NO_ANSWER
    on_screen = sys.stdout.isatty() and not as_json
    try:
        with _screen() if on_screen else nullcontext(_print_page) as show:
            while True:
                try:
                    with HubClient(path) as client:
                        answer = _document("status", client.call("status"))
                    state = _judge(answer)
                    _print_json(answer) if as_json else show(status_page(answer))
                except NoAnswer as error:
                    state = NO_ANSWER
                    _print_json(_error(error)) if as_json else show(
                        Page(facts=[("no answer", clean(error))])
                    )
                time.sleep(WATCH_SECONDS)
    except KeyboardInterrupt:
        sys.exit(state)


def _print_page(page: Page) -> None:
    print(page.plain(), end="\n\n", flush=True)


@contextmanager
def _screen() -> Iterator[Callable[[Page], None]]:
    """A full screen of rich; yields what shows a page on it, as much of it as fits."""
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        yield lambda page: live.update(page.fitted(live.console), refresh=True)


def _print_json(facts: dict[str, Any]) -> None:
    print(document(**facts), flush=True)


def _error(error: NoAnswer) -> dict[str, Any]:
    return {"error": {"code": error.code, "message": str(error)}}


def _fail(error: NoAnswer, as_json: bool) -> NoReturn:
    if as_json:
        _print_json(_error(error))
    else:
        print(clean(error), file=sys.stderr)
    sys.exit(NO_ANSWER)


def main() -> None:
    """Run hubctl, in any locale."""
    prepare()
    as_tool("hubctl", lambda: hubctl(prog_name="hubctl"))


if __name__ == "__main__":
    main()
