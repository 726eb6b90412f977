"""`hubctl --site watch`: what happens on site, as it happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hubctl.answers import fail, print_json
from hubctl.client import NoAnswer, ReaderGone
from hubctl.options import JSON, SOCKET
from hubctl.site.asking import client_of
from hubctl.site.pages.events import event_line
from hubctl.tailing.since import taken
from hubterm.exits import OK
from hubterm.output import descriptor, reader_gone
from hubterm.text import clean, moment

LEVELS = ("info", "warning")


@click.command()
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default=LEVELS[0],
    help="warning: alarms, acts, and what somebody should look at.",
)
@click.option(
    "--since", callback=taken, metavar="TIME", help="First what was since: 10min, 2h or a moment."
)
@JSON
@SOCKET
@click.pass_obj
def watch(path: Path, level: str, since: float | None, as_json: bool) -> None:
    """Show alarms, hubs that come and go, orders and answers, until Ctrl-C.

    With --since, those that the bridge remembers come first. The records have all of it.
    """
    asked: dict[str, str | float] = {"level": level}
    if since is not None:
        asked["since"] = since
    try:
        with client_of(path) as client:
            if sys.stderr.isatty() and not as_json:
                print("events of this site, as they happen; Ctrl-C ends it", file=sys.stderr)
            for answer in client.tail(descriptor(), **asked):
                _show(answer, as_json)
    except ReaderGone:
        reader_gone()
    except NoAnswer as error:
        fail(error, as_json)
    except KeyboardInterrupt:
        sys.exit(OK)


def _show(answer: dict[str, Any], as_json: bool) -> None:
    event = answer.get("event")
    if as_json:
        print_json(answer)
    elif "lost" in answer:
        print(
            f"... {clean(answer['lost'])} events lost here: this terminal was too slow", flush=True
        )
    elif "begins" in answer:
        print(f"... the bridge remembers from {moment(answer['begins'])} on", flush=True)
    elif isinstance(event, dict):
        print(event_line(event), flush=True)
