"""`hubctl metrics`: numbers for Prometheus, on standard output or for node-exporter."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from hubcore.update.running.board import BOARD, BOARD_VARIABLE
from hubctl.answers import ask, fail, print_json
from hubctl.client import NoAnswer
from hubctl.metrics import exposition
from hubctl.metrics.exposition import Family
from hubctl.metrics.families import families, up
from hubctl.options import JSON, SOCKET
from hubctl.updating.board import read_board
from hubctl.updating.shown import families as update_families
from hubterm.ending import end_with_error

FILE = "hubd.prom"


@click.command()
@JSON
@SOCKET
@click.option(
    "--textfile",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help=f"Write DIR/{FILE}, whole or not at all, for node-exporter's textfile collector.",
)
@click.option(
    "--board",
    type=click.Path(path_type=Path, readable=False),
    envvar=BOARD_VARIABLE,
    default=BOARD,
    show_default=True,
    help="What hubupdate shows.",
)
@click.pass_obj
def metrics(path: Path, as_json: bool, folder: Path | None, board: Path) -> None:
    """Print the numbers of this hub as Prometheus reads them.

    With --textfile and without hubd, the file says hubd_up 0 and nothing else.
    """
    try:
        found = families(ask(path, "status"), ask(path, "measured")) + _of_updates(board)
    except NoAnswer as error:
        if folder is not None:
            _write(folder, [up(False)], as_json)
        fail(error, as_json)
    if folder is not None:
        _write(folder, found, as_json)
        if as_json:
            print_json({"textfile": str(folder / FILE)})
    elif as_json:
        print_json({"metrics": exposition.documents(found)})
    else:
        sys.stdout.write(exposition.text(found))


def _of_updates(file: Path) -> list[Family]:
    """Return what hubupdate shows; nothing for a hub without updates, or a board that is none."""
    try:
        board = read_board(file)
    except (OSError, ValueError):
        return []
    return [] if board is None else update_families(board)


def _write(folder: Path, found: Sequence[Family], as_json: bool) -> None:
    try:
        put(folder, exposition.text(found))
    except OSError as error:
        end_with_error("unwritable", f"{folder / FILE}: {error.strerror}", as_json)


def put(folder: Path, text: str) -> None:
    """Put the file in place of the one before, such that no reader sees half of it.

    The collector reads only what ends with `.prom`, and so not the file in the making. Nothing
    waits for the disk here (as `hubterm.files` does): the records of the doors wait for it too.
    """
    handle, made = tempfile.mkstemp(prefix=f".{FILE}.", dir=folder)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o644)
        os.replace(made, folder / FILE)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)
        raise
