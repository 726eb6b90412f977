"""`hubctl update`: which version runs, what comes next, and what a person wishes of it.

Laws:
1. It asks no daemon: it reads the board of `hubupdate`, and lays wishes into its folder. So it
   works while hubd changes hands.
2. Who may write that folder (group hubd-admin, and root) may wish.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import click

from hubcore.update.image import DIGEST_BYTES
from hubcore.update.running.board import BOARD, BOARD_VARIABLE
from hubcore.update.running.wishes import FOLDER, Wish, let_out_name
from hubctl.answers import print_json
from hubctl.options import JSON, Named
from hubctl.updating.board import Board, read_board, troubles
from hubctl.updating.shown import page
from hubterm.ending import end_with_error
from hubterm.exits import NO, OK

CHECK_SECONDS = 60.0
POLL_SECONDS = 0.2
NO_UPDATES = (
    "this hub takes no updates: docs/updates.md tells how it begins to (make install-update)"
)

BOARD_FILE = click.option(
    "--board",
    type=click.Path(path_type=Path),
    envvar=BOARD_VARIABLE,
    default=BOARD,
    show_default=True,
    help="What hubupdate shows.",
)
WISHES_FOLDER = click.option(
    "--wishes",
    type=click.Path(path_type=Path),
    envvar="HUBD_UPDATE_WISHES",
    default=FOLDER,
    show_default=True,
    help="Where wishes lie.",
)


@click.command()
@JSON
@BOARD_FILE
def update(board: Path, as_json: bool) -> None:
    """Show which version runs, what comes next, and what keeps it.

    Exit status 1 while something about updates needs somebody.
    """
    _show(_board(board, as_json), as_json)


@click.command()
@JSON
@BOARD_FILE
@WISHES_FOLDER
def check(board: Path, wishes: Path, as_json: bool) -> None:
    """Look for an update now, and show what came of it.

    Exit status 75 when hubupdate has not looked within 60 s: it may be fetching an image.
    """
    before = _board(board, as_json).get("at")
    _wish(wishes, Wish.CHECK, as_json)
    ends = time.monotonic() + CHECK_SECONDS
    while time.monotonic() < ends:
        found = _board(board, as_json)
        if found.get("at") != before and not os.path.lexists(wishes / Wish.CHECK):
            _show(found, as_json)
        time.sleep(POLL_SECONDS)
    end_with_error(
        "timeout", f"hubupdate has not looked within {CHECK_SECONDS:g} s; hubctl update", as_json
    )


@click.command()
@JSON
@BOARD_FILE
@WISHES_FOLDER
@click.option("--end", is_flag=True, help="Let it take updates again.")
def hold(board: Path, wishes: Path, end: bool, as_json: bool) -> None:
    """Hold this hub at its version; a trial that runs goes to its end."""
    _board(board, as_json)
    if end:
        _end_hold(wishes, as_json)
    else:
        _wish(wishes, Wish.HOLD, as_json)
    said = "This hub takes updates." if end else "This hub stays at its version until: --end."
    _done({"held": not end}, said, as_json)


@click.command()
@JSON
@BOARD_FILE
@WISHES_FOLDER
def rollback(board: Path, wishes: Path, as_json: bool) -> None:
    """Let the version before come back; the one that runs goes into quarantine.

    It waits for rest at the doors, tests itself and has a trial, as every version.
    """
    found = _board(board, as_json)
    if found.get("phase") != "resting":
        end_with_error("busy", "an update is on its way: hubctl update shows it", as_json)
    if not found.get("other"):
        end_with_error("no", "the other slot holds no version to come back to", as_json)
    _wish(wishes, Wish.ROLL_BACK, as_json)
    _done({"wished": str(Wish.ROLL_BACK)}, "The version before comes back: hubctl update", as_json)


@click.command(cls=Named)
@click.argument("digest")
@JSON
@BOARD_FILE
@WISHES_FOLDER
def let_out(digest: str, board: Path, wishes: Path, as_json: bool) -> None:
    """Let an image out of quarantine, whose digest begins so; it may be tried again."""
    bad = [one for one in _board(board, as_json).get("quarantine") or [] if isinstance(one, str)]
    found = [one for one in bad if digest and one.startswith(digest.lower())]
    if len(found) != 1 or not _is_digest(found[0]):
        end_with_error("no", f"{len(found)} images in quarantine begin with {digest!r}", as_json)
    _wish(wishes, let_out_name(bytes.fromhex(found[0])), as_json)
    _done({"wished": "let-out", "digest": found[0]}, "It may be tried again.", as_json)


def _board(file: Path, as_json: bool) -> Board:
    try:
        board = read_board(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        end_with_error("unreadable", f"{file}: {why}", as_json)
    if board is None:
        end_with_error("down", NO_UPDATES, as_json)
    return board


def _show(board: Board, as_json: bool) -> NoReturn:
    now = time.time()
    found = troubles(board, now)
    if as_json:
        shown = [one._asdict() for one in found]
        print_json({**board, "problems": shown})
    else:
        page(board, now).show()
    sys.exit(NO if found else OK)


def _wish(folder: Path, name: str, as_json: bool) -> None:
    try:
        os.close(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o660))
    except FileNotFoundError:
        end_with_error("down", NO_UPDATES, as_json)
    except PermissionError:
        end_with_error("not-allowed", "it takes group hubd-admin, or root: use sudo", as_json)
    except OSError as error:
        end_with_error("unwritable", f"{folder / name}: {error.strerror}", as_json)


def _end_hold(folder: Path, as_json: bool) -> None:
    try:
        (folder / Wish.HOLD).unlink(missing_ok=True)
    except PermissionError:
        end_with_error("not-allowed", "it takes group hubd-admin, or root: use sudo", as_json)
    except OSError as error:
        end_with_error("unwritable", f"{folder}: {error.strerror}", as_json)


def _done(document: dict[str, Any], said: str, as_json: bool) -> None:
    if as_json:
        print_json(document)
    else:
        print(said)


def _is_digest(text: str) -> bool:
    return len(text) == 2 * DIGEST_BYTES and all(sign in "0123456789abcdef" for sign in text)
