"""The looks that are typed most, each with nothing but a socket and the form of its answer.

Law: nothing here loads click, so that `hubctl.shell.quick` may start without it.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from hubctl.answers import judge, print_json
from hubctl.down.tell import ask_or_disk
from hubctl.page import Page
from hubctl.show import devices_table, doors_table, status_page

if TYPE_CHECKING:
    from pathlib import Path


def status(path: Path | str, as_json: bool) -> None:
    """Show how the hub is, and end by it."""
    answer = ask_or_disk(path, "status", as_json, "status")
    if as_json:
        print_json(answer)
    else:
        status_page(answer).show()
    sys.exit(judge(answer))


def doors(path: Path | str, as_json: bool) -> None:
    """Show the doors, their modes and the ways through them."""
    answer = ask_or_disk(path, "doors", as_json, "doors")
    if as_json:
        print_json(answer)
    else:
        Page(tables=[doors_table(answer["doors"])]).show()


def devices(path: Path | str, as_json: bool) -> None:
    """Show the devices and how each stands."""
    answer = ask_or_disk(path, "devices", as_json, "devices")
    if as_json:
        print_json(answer)
    elif not answer["devices"]:
        print("This hub has no devices: hubd.toml names none.")
    else:
        Page(tables=[devices_table(answer["devices"])]).show()
