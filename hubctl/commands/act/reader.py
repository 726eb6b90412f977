"""`hubctl reader`: the keys of readers beside the phones."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET, Named
from hubterm.text import clean


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def install(path: Path, name: str, as_json: bool) -> None:
    """Give the reader NAME, new from its maker, the key of its [[readers]].

    The key goes over the public default key: whoever listens on the line learns it. So do it on a
    line that nobody else can reach.
    """
    answer = ask_or_end(path, "install-reader-key", as_json, reader=name)
    if as_json:
        print_json(answer)
    else:
        print(f"Reader {clean(answer['reader'])} has proven itself with its key.")


@click.command(cls=Named)
@click.argument("name")
@JSON
@SOCKET
@click.pass_obj
def change_key(path: Path, name: str, as_json: bool) -> None:
    """Give the reader NAME the next_key of its [[readers]]."""
    answer = ask_or_end(path, "change-reader-key", as_json, reader=name)
    if as_json:
        print_json(answer)
    else:
        shown = clean(answer["reader"])
        print(f"Reader {shown} has proven itself with next_key. Now make that one its key.")
