"""`hubctl reader`: the keys of readers beside the phones."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.client import DEFAULT_SOCKET
from hubterm.text import clean


def _remember(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.obj = path


_SOCKET = click.option(
    "--socket",
    type=click.Path(path_type=Path),
    expose_value=False,
    callback=_remember,
    help=f"The daemon's local socket (usually {DEFAULT_SOCKET}).",
)
_JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON with a schema number, for machines."
)


@click.group()
def reader() -> None:
    """Give readers their keys. Needs root; it is recorded."""


@reader.command("install")
@click.argument("name")
@_JSON
@_SOCKET
@click.pass_obj
def reader_install(path: Path, name: str, as_json: bool) -> None:
    """Give the reader NAME, new from its maker, the key of its [[readers]].

    The key goes over the public default key: whoever listens on the line learns it. So do it on a
    line that nobody else can reach.
    """
    answer = ask_or_end(path, "install-reader-key", as_json, reader=name)
    if as_json:
        print_json(answer)
    else:
        print(f"Reader {clean(answer['reader'])} has proven itself with its key.")


@reader.command("change-key")
@click.argument("name")
@_JSON
@_SOCKET
@click.pass_obj
def reader_change_key(path: Path, name: str, as_json: bool) -> None:
    """Give the reader NAME the next_key of its [[readers]]."""
    answer = ask_or_end(path, "change-reader-key", as_json, reader=name)
    if as_json:
        print_json(answer)
    else:
        shown = clean(answer["reader"])
        print(f"Reader {shown} has proven itself with next_key. Now make that one its key.")
