"""hubctl: what a technician types at a hub. It asks the daemon over its local socket and shows the answer.

Laws: it only looks, unless a command says otherwise; exit status 0 all is well, 1 an error stands (or evidence is
broken), 2 there is no answer, and then the sentence says what to do; `--json` prints one document with `"schema": 1`,
in which keys are added but never change their meaning.
"""

from __future__ import annotations

import importlib
import importlib.util
import io
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from hubd.cli.client import DEFAULT_SOCKET, HubClient, NoAnswer
from hubd.cli.show import Page, clean, doors_table, event_line, status_page

SCHEMA = 1
OK, PROBLEM, NO_ANSWER = 0, 1, 2
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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--socket", "path", type=click.Path(path_type=Path), envvar="HUBD_SOCKET", default=DEFAULT_SOCKET,
    show_default=True, show_envvar=True, help="The daemon's local socket.",
)  # fmt: skip
@click.version_option(package_name="hubd", prog_name="hubctl")
@click.pass_context
def hubctl(ctx: click.Context, path: Path) -> None:
    """Look at the access hub of this machine."""
    ctx.obj = path


_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines.")


@hubctl.command()
@_JSON
@click.option("--watch", is_flag=True, help=f"Show it again every {WATCH_SECONDS:g} s until Ctrl-C.")
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
@click.pass_obj
def doors(path: Path, as_json: bool) -> None:
    """Show the doors and the ways through them."""
    answer = _ask(path, "doors", as_json)
    if as_json:
        _print_json(answer)
    else:
        Page([], [doors_table(answer["doors"])]).show()


@hubctl.command("trust-clock")
@_JSON
@click.pass_obj
def trust_clock(path: Path, as_json: bool) -> None:
    """Say that the clock is right now, after it stood wrong; it is recorded. Needs root."""
    answer = _ask(path, "trust-clock", as_json)
    if as_json:
        _print_json(answer)
    else:
        click.echo(f"The clock is {answer['state']}.")


@hubctl.command("accept-state")
@_JSON
@click.pass_obj
def accept_state(path: Path, as_json: bool) -> None:
    """Say that the policy and the log on the disk are right as they are, after one was lost; recorded. Needs root."""
    try:
        with HubClient(path) as client:
            answer = client.call("accept-state")
    except NoAnswer as error:
        _fail(error, as_json)
    if not isinstance(answer, dict):
        _fail(NoAnswer("protocol", "hubd answered what this hubctl does not know; are both of one version?"), as_json)
    if as_json:
        _print_json(answer)
    elif answer.get("was") is None:
        click.echo("Nothing was in doubt.")
    else:
        click.echo(
            f"Accepted ({clean(answer['was'])}). The policy in force is version {clean(answer['policy_version'])}."
        )


@hubctl.command()
@_JSON
@click.pass_obj
def tail(path: Path, as_json: bool) -> None:
    """Show events as they happen, until Ctrl-C."""
    try:
        with HubClient(path) as client:
            for told in client.tail():
                if as_json:
                    _print_json(told)
                elif "lost" in told:
                    print(f"... {clean(told['lost'])} events lost here: this terminal was too slow", flush=True)
                elif isinstance(told.get("event"), dict):
                    print(event_line(told["event"]), flush=True)
    except NoAnswer as error:
        _fail(error, as_json)
    except KeyboardInterrupt:
        sys.exit(OK)


def _ask(path: Path, call: str, as_json: bool) -> dict[str, Any]:
    """Return the document of one call, or end with the sentence of why there is none."""
    try:
        with HubClient(path) as client:
            return _document(call, client.call(call))
    except NoAnswer as error:
        _fail(error, as_json)


def _document(call: str, answer: Any) -> dict[str, Any]:
    """A list answers under the name of its call. Raise NoAnswer for what is neither a list nor an object."""
    if isinstance(answer, list) and all(isinstance(item, dict) for item in answer):
        return {call: answer}
    if isinstance(answer, dict) and (call == "status" or isinstance(answer.get(call), list)):
        return answer
    raise NoAnswer("protocol", "hubd answered what this hubctl does not know; are both of one version?")


def _judge(status: dict[str, Any]) -> int:
    problems = status.get("problems")
    severities = [p.get("severity") for p in problems if isinstance(p, dict)] if isinstance(problems, list) else []
    return PROBLEM if "error" in severities else OK


def _watch(path: Path, as_json: bool) -> NoReturn:
    """Show the status again and again, also through a restart of the daemon; Ctrl-C ends it with the last state."""
    state = NO_ANSWER
    try:
        show, close = _screen() if sys.stdout.isatty() and not as_json else (_print_page, lambda: None)
        try:
            while True:
                try:
                    with HubClient(path) as client:
                        answer = _document("status", client.call("status"))
                    state = _judge(answer)
                    _print_json(answer) if as_json else show(status_page(answer))
                except NoAnswer as error:
                    state = NO_ANSWER
                    _print_json(_error(error)) if as_json else show(Page([("no answer", clean(error))], []))
                time.sleep(WATCH_SECONDS)
        finally:
            close()
    except KeyboardInterrupt:
        sys.exit(state)


def _print_page(page: Page) -> None:
    print(page.plain(), end="\n\n", flush=True)


def _screen() -> tuple[Callable[[Page], None], Callable[[], None]]:
    """A full screen of rich: (show a page, leave)."""
    from rich.live import Live

    live = Live(screen=True, auto_refresh=False)
    live.start()
    return (lambda page: live.update(page.rich(), refresh=True)), live.stop


def _print_json(document: dict[str, Any]) -> None:
    print(msgspec.json.encode({"schema": SCHEMA, **document}).decode(), flush=True)


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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    hubctl(prog_name="hubctl")


if __name__ == "__main__":
    main()
