"""`hubctl passback reset`: forgets where people are, so that anti-passback keeps nobody out."""

from __future__ import annotations

from pathlib import Path

import click

from hubctl.answers import ask_or_end, print_json
from hubctl.options import JSON, SOCKET, Named
from hubterm.text import clean


@click.command()
@JSON
@SOCKET
@click.pass_obj
def reset(path: Path, as_json: bool) -> None:
    """Forget where everybody is, so that anti-passback keeps nobody out. This is recorded."""
    _forget(path, None, as_json)


@click.command(cls=Named)
@click.argument("credential")
@JSON
@SOCKET
@click.pass_obj
def reset_one(path: Path, credential: str, as_json: bool) -> None:
    """Forget where CREDENTIAL is, whole as `hubctl audit list` shows it. This is recorded."""
    _forget(path, credential, as_json)


@click.command()
@click.argument("credential", required=False)
@JSON
@SOCKET
@click.pass_obj
def reset_old(path: Path, credential: str | None, as_json: bool) -> None:
    """Older spelling of: hubctl passback [CREDENTIAL] reset."""
    _forget(path, credential, as_json)


def _forget(path: Path, credential: str | None, as_json: bool) -> None:
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
