"""`hubctl osdp` and `hubctl reader NAME`: the card readers, and how each stands."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET, Named
from hubctl.things.named import find_or_end
from hubctl.things.readers import all_page, page


@click.command()
@JSON
@SOCKET
@click.pass_obj
def osdp(path: Path, as_json: bool) -> None:
    """Show the card readers: channel, key, line, what is wrong and since when."""
    answer = ask_or_end(path, "readers", as_json)
    if as_json:
        print_json(answer)
    elif not answer["readers"]:
        print("This hub has no card readers: hubd.toml names none.")
    else:
        all_page(answer["readers"]).show()


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def reader(path: Path, name: str, as_json: bool) -> None:
    """Show the card reader NAME whole."""
    readers = ask_or_end(path, "readers", as_json)["readers"]
    found = find_or_end(readers, name, "reader", as_json)
    if as_json:
        print_json({"reader": found})
    else:
        page(found).show()
