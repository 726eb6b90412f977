"""`hubctl tail`: events as they happen, and those that hubd still remembers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hubctl.answers import ask, fail, print_json
from hubctl.client import HubClient, NoAnswer, ReaderGone
from hubctl.doors.nearby import id_of, no_such_door
from hubctl.options import JSON, SOCKET
from hubctl.show import event_line
from hubctl.tailing.since import taken
from hubterm.exits import OK
from hubterm.output import descriptor, reader_gone
from hubterm.text import clean, moment

LEVELS = ("info", "warning")


@click.command()
@click.option("--door", metavar="DOOR", help="Only what happens at this door, by id or name.")
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default=LEVELS[0],
    help="warning: only what a technician should look at.",
)
@click.option(
    "--since", callback=taken, metavar="TIME", help="First what was since: 10min, 2h or a moment."
)
@JSON
@SOCKET
@click.pass_obj
def tail(path: Path, door: str | None, level: str, since: float | None, as_json: bool) -> None:
    """Show events as they happen, until Ctrl-C or until nobody reads them.

    With --since, those that hubd remembers come first. While hubd is down they come from the
    journal, and the command then ends.
    """
    is_answered = False
    try:
        asked = _asked(path, door, level, since, as_json)
        with HubClient(path) as client:
            if sys.stderr.isatty() and not as_json:
                print("events of this hub, as they happen; Ctrl-C ends it", file=sys.stderr)
            for answer in client.tail(descriptor(), **asked):
                is_answered = True
                _show_tail(answer, as_json)
    except ReaderGone:
        reader_gone()
    except NoAnswer as error:
        if error.code == "down" and since is not None and not is_answered:
            error = _from_journal(error, since, door, level, as_json)
        fail(error, as_json)
    except KeyboardInterrupt:
        sys.exit(OK)


def _asked(
    path: Path, door: str | None, level: str, since: float | None, as_json: bool
) -> dict[str, str | float]:
    """Return what the hub is asked for; end with a suggestion if it has no such door.

    Raise NoAnswer.
    """
    asked: dict[str, str | float] = {"level": level}
    if door is not None:
        doors = ask(path, "doors")["doors"]
        asked["door"] = id_of(door, doors) or no_such_door(door, doors, as_json)
    if since is not None:
        asked["since"] = since
    return asked


def _from_journal(
    error: NoAnswer, since: float, door: str | None, level: str, as_json: bool
) -> NoAnswer:
    """Show what the journal has, and return the error with a word about that."""
    from hubctl.gathering.running import run
    from hubctl.tailing.journal import events

    found = events(run, since, door=door, level=level)
    for event in found.events:
        _show_tail({"event": event}, as_json)
    return NoAnswer(error.code, f"{error} {found.says}")


def _show_tail(answer: dict[str, Any], as_json: bool) -> None:
    """Show one event, how many were lost, or from when on there are any."""
    event = answer.get("event")
    if as_json:
        print_json(answer)
    elif "lost" in answer:
        lost = clean(answer["lost"])
        print(f"... {lost} events lost here: this terminal was too slow", flush=True)
    elif "begins" in answer:
        print(
            f"... hubd remembers from {moment(answer['begins'])} on. What was before: "
            "sudo journalctl -u hubd",
            flush=True,
        )
    elif isinstance(event, dict):
        print(event_line(event), flush=True)
