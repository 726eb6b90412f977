"""`hubctl devices`: the devices, and how each stands; or one of them whole."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.down.tell import ask_or_disk
from hubctl.options import JSON, SOCKET
from hubctl.shell import looks
from hubctl.things.device import page
from hubctl.things.named import find_or_end


@click.command()
@click.argument("name", required=False)
@JSON
@SOCKET
@click.pass_obj
def devices(path: Path, name: str | None, as_json: bool) -> None:
    """Show the devices: how each stands, when it said so, and what is wrong with it.

    NAME is the id or the name of one. It is shown whole: readings with their ages, faults with what
    to do, and the last commands since hubd started, with what became of each.
    """
    if name is None:
        looks.devices(path, as_json)
        return
    known = ask_or_disk(path, "devices", as_json, "devices", name)["devices"]
    found = find_or_end(known, name, "device", as_json)
    answer = ask_or_end(path, "device", as_json, device=str(found["id"]))
    if as_json:
        print_json({"device": answer})
    else:
        page(answer).show()
