"""hubctl: what a technician types at a hub. It asks the daemon over its local socket.

Laws:
1. It only looks, unless a command says otherwise.
2. Exit status: 0 all is well, 1 an error stands (or evidence is broken), 2 there is no answer, and
   a sentence says what to do. 70, 74, 130 and 141 say nothing of the hub: see `docs/hubctl.md`.
3. `--json` prints one document with `"schema": 1`; keys are added but never change their meaning.
4. What is shown cannot steer a terminal, as text and as JSON.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import click

from hubcore.version import __version__
from hubctl.answers import OK, PROBLEM, ask_or_end, fail, judge, print_json
from hubctl.client import DEFAULT_SOCKET, HubClient, NoAnswer, ReaderGone
from hubctl.page import Page
from hubctl.show import clock_text, devices_table, doors_table, event_line, status_page
from hubctl.watch import WATCH_SECONDS, watch
from hubterm.output import as_tool, prepare, reader_gone
from hubterm.text import clean

INTERRUPTED = 130
"""As a shell says it of a program that was ended by Ctrl-C."""

_ELSEWHERE = {
    "audit": "hubctl.commands.audit",
    "enroll": "hubctl.commands.enroll",
    "policy": "hubctl.commands.policy",
    "reader": "hubctl.commands.reader",
}
"""What stands in a module of their own, loaded when they are asked for."""


class _Commands(click.Group):
    """The commands, with those of `_ELSEWHERE`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        installed = [name for name, module in _ELSEWHERE.items() if _is_installed(module)]
        return sorted([*super().list_commands(ctx), *installed])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _ELSEWHERE.get(cmd_name)
        if module is None or not _is_installed(module):
            return super().get_command(ctx, cmd_name)
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


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
    "--watch",
    "again",
    is_flag=True,
    help=f"Show it again every {WATCH_SECONDS:g} s until Ctrl-C.",
)
@click.pass_obj
def status(path: Path, as_json: bool, again: bool) -> None:
    """Show how the hub is. Exit status 1 while a problem of severity error stands."""
    if again:
        watch(path, as_json)
    answer = ask_or_end(path, "status", as_json)
    if as_json:
        print_json(answer)
    else:
        status_page(answer).show()
    sys.exit(judge(answer))


@hubctl.command()
@_JSON
@_SOCKET
@click.pass_obj
def doors(path: Path, as_json: bool) -> None:
    """Show the doors and the ways through them."""
    answer = ask_or_end(path, "doors", as_json)
    if as_json:
        print_json(answer)
    else:
        Page(tables=[doors_table(answer["doors"])]).show()


@hubctl.command()
@_JSON
@_SOCKET
@click.pass_obj
def devices(path: Path, as_json: bool) -> None:
    """Show the devices: how each stands, when it said so, and what is wrong with it."""
    answer = ask_or_end(path, "devices", as_json)
    if as_json:
        print_json(answer)
    else:
        Page(tables=[devices_table(answer["devices"])]).show()


@hubctl.command("trust-clock")
@_JSON
@_SOCKET
@click.pass_obj
def trust_clock(path: Path, as_json: bool) -> None:
    """Say that the clock is right now, after it stood wrong; it is recorded. Needs root.

    Exit status 1 when the hub does not believe the clock even so.
    """
    answer = ask_or_end(path, "trust-clock", as_json)
    trusted = answer.get("state") == "trusted"
    if as_json:
        print_json(answer)
    elif trusted and not answer.get("vouched"):
        print(f"The clock is trusted already, nothing was changed: {clock_text(answer)}.")
    else:
        print(f"Recorded: you say that the clock is right. The clock is {clock_text(answer)}.")
    sys.exit(OK if trusted else PROBLEM)


@hubctl.command("accept-state")
@_JSON
@_SOCKET
@click.pass_obj
def accept_state(path: Path, as_json: bool) -> None:
    """Say that policy and log on the disk are right, after one was lost. Needs root.

    This is recorded.
    """
    answer = ask_or_end(path, "accept-state", as_json)
    if as_json:
        print_json(answer)
    elif answer["was"] is None:
        print("Nothing was in doubt.")
    else:
        version = clean(answer["policy_version"])
        print(f"Accepted ({clean(answer['was'])}). The policy in force is version {version}.")


@hubctl.command("passback-reset")
@click.argument("credential", required=False)
@_JSON
@_SOCKET
@click.pass_obj
def passback_reset(path: Path, credential: str | None, as_json: bool) -> None:
    """Forget where people are, so that anti-passback keeps nobody out. Needs root.

    With CREDENTIAL it forgets that one alone, whole as `hubctl audit list` shows it, else all. This
    is recorded.
    """
    arguments = {} if credential is None else {"credential": credential}
    answer = ask_or_end(path, "passback-reset", as_json, **arguments)
    if as_json:
        print_json(answer)
    elif not answer["forgotten"]:
        whose = "anybody is" if credential is None else f"{clean(credential)} is"
        print(f"The hub does not know where {whose}: nothing was changed.")
    else:
        whose = "everybody was" if credential is None else f"{clean(credential)} was"
        count = clean(answer["forgotten"])
        print(f"Recorded, and forgotten where {whose} (places: {count}).")


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
            for answer in client.tail(_output()):
                _show_tail(answer, as_json)
    except ReaderGone:
        reader_gone()
    except NoAnswer as error:
        fail(error, as_json)
    except KeyboardInterrupt:
        sys.exit(OK)


def _show_tail(answer: dict[str, Any], as_json: bool) -> None:
    """Show one event, or how many were lost."""
    event = answer.get("event")
    if as_json:
        print_json(answer)
    elif "lost" in answer:
        lost = clean(answer["lost"])
        print(f"... {lost} events lost here: this terminal was too slow", flush=True)
    elif isinstance(event, dict):
        print(event_line(event), flush=True)


def _output() -> int | None:
    """The descriptor that is printed to; None when there is none."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None


def main() -> None:
    """Run hubctl, in any locale."""
    prepare()
    as_tool("hubctl", lambda: hubctl(prog_name="hubctl"))


if __name__ == "__main__":
    main()
