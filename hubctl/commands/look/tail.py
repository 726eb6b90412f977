"""`hubctl tail`: events as they happen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from hubctl.answers import fail, print_json
from hubctl.client import HubClient, NoAnswer, ReaderGone
from hubctl.options import JSON, SOCKET
from hubctl.show import event_line
from hubterm.exits import OK
from hubterm.output import descriptor, reader_gone
from hubterm.text import clean


@click.command()
@JSON
@SOCKET
@click.pass_obj
def tail(path: Path, as_json: bool) -> None:
    """Show events as they happen, until Ctrl-C or until nobody reads them."""
    try:
        with HubClient(path) as client:
            if sys.stderr.isatty() and not as_json:
                print("events of this hub, as they happen; Ctrl-C ends it", file=sys.stderr)
            for answer in client.tail(descriptor()):
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
