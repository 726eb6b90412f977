"""`hubctl door NAME release|lockdown|normal`: what a technician does to a door."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask, fail, print_json
from hubctl.client import NoAnswer
from hubctl.doors.nearby import did_you_mean
from hubctl.doors.page import not_released
from hubctl.down.tell import tell
from hubctl.options import JSON, SOCKET, Named
from hubctl.show import orders_of
from hubterm.exits import status_of
from hubterm.text import clean

SECONDS_MAX = 60
_SPAN = re.compile(r"(\d{1,2}) ?s?\Z", re.ASCII)


class Seconds(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """`10s` or `10`, at most SECONDS_MAX."""

    name = "SECONDS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        span = _SPAN.match(str(value))
        seconds = int(span[1]) if span is not None else 0
        if not 1 <= seconds <= SECONDS_MAX:
            self.fail(f"say 1s to {SECONDS_MAX}s", param, ctx)
        return seconds


@click.command(cls=Named)
@click.argument("name")
@click.option("--for", "seconds", type=Seconds(), help="As in 10s; at most the door's cap.")
@JSON
@SOCKET
@click.pass_obj
def release(path: Path, name: str, seconds: int | None, as_json: bool) -> None:
    """Open the door NAME once, for as long as a phone gets, or as --for says. This is recorded.

    A door that is locked down, or lets nobody in, stays shut: exit status 1.
    """
    answer = released(path, name, seconds, as_json)
    if as_json:
        print_json(answer)
    else:
        shown = clean(answer["door"])
        print(f"Recorded, and released: {shown} for {clean(answer.get('seconds'))} s.")


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def lockdown(path: Path, name: str, as_json: bool) -> None:
    """Let nobody in by the door NAME, also after a restart, until `hubctl door NAME normal`.

    The way out stays as it is wired. It is recorded, and ends when the movers say that they are at
    rest.
    """
    answer = asked(path, "door-lockdown", name, as_json)
    if as_json:
        print_json(answer)
        return
    shown = clean(answer["door"])
    if answer["changed"]:
        print(f"Recorded: {shown} is locked down. To end it: hubctl door {shown} normal")
    else:
        print(f"{shown} is locked down by a technician already: nothing was changed.")


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def normal(path: Path, name: str, as_json: bool) -> None:
    """End the lockdown of the door NAME that a technician ordered; say who still holds it.

    What the policy, the backend, a schedule or an input ordered stands on.
    """
    answer = asked(path, "door-normal", name, as_json)
    if as_json:
        print_json(answer)
        return
    shown = clean(answer["door"])
    if answer["changed"]:
        print(f"Recorded: the technician's lockdown of {shown} has ended.")
    else:
        print(f"No technician has locked {shown} down: nothing was changed.")
    held = orders_of(answer)
    print(f"It is {clean(answer['mode'])}{f', still held by: {held}' if held else ''}.")


def released(path: Path, name: str, seconds: int | None, as_json: bool) -> dict[str, Any]:
    """Release a door; end hubctl when it was not."""
    arguments = {} if seconds is None else {"seconds": seconds}
    return asked(path, "door-release", name, as_json, **arguments)


def asked(path: Path, call: str, name: str, as_json: bool, **arguments: Any) -> dict[str, Any]:
    """Return the answer of a call about one door, or end with what a technician reads."""
    try:
        return ask(path, call, door=name, **arguments)
    except NoAnswer as error:
        if call == "door" and tell("doors", error, path, as_json):
            sys.exit(status_of(error.code))
        message = str(error)
        if error.code == "unknown-door":
            message += did_you_mean(path, name)
        elif call == "door-release":
            message = not_released(name, error.code, message)
        fail(NoAnswer(error.code, message), as_json)
