"""The board of `hubupdate`: a JSON file, and what of it needs somebody.

Laws:
1. The file is another program's. Whatever is in it raises nothing, and is cleaned when it is
   shown.
2. A hub that has no board takes no updates. That is no fault: it has no check.
3. A board that nobody renews is told: what it says is old.
4. Each trouble has a stable id, what it is, and what to do.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hubcore.update.running.board import BYTES_MAX, late_seconds
from hubterm.files import read_ordinary
from hubterm.shapes import listed, mapping
from hubterm.text import clean, is_number

LINK_SECONDS = 24 * 3600.0
"""For so long no carrier need be there before somebody is told."""
ERROR = "error"
WARNING = "warning"

Board = Mapping[str, Any]


class UpdateTrouble(NamedTuple):
    """What needs somebody."""

    id: str
    severity: str
    what: str
    remedy: str


def read_board(file: Path) -> Board | None:
    """Return the board; None for a hub without updates. Raise OSError, ValueError."""
    try:
        data = read_ordinary(file, BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        board = json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(board, dict):
        raise ValueError("it is no board")  # noqa: TRY004
    return board


def troubles(board: Board, now: float) -> list[UpdateTrouble]:
    """Return what needs somebody, the gravest first."""
    found = [*_withdrawn(board), *_old(board, now), *failing(board, now), *_kept_back(board)]
    return sorted(found, key=lambda one: one.severity != ERROR)


def _withdrawn(board: Board) -> Iterator[UpdateTrouble]:
    if board.get("withdrawn") is True:
        running = clean(mapping(board.get("running")).get("version"))
        yield UpdateTrouble(
            "update-withdrawn",
            ERROR,
            f"version {running} runs, and is not on the list of images any more",
            "hubctl update says what the next one waits for; back: sudo hubctl update rollback",
        )


def _old(board: Board, now: float) -> Iterator[UpdateTrouble]:
    due = board.get("next_at")
    if is_number(due) and now - due > late_seconds(board.get("phase")):
        yield UpdateTrouble(
            "update-stopped",
            WARNING,
            f"hubupdate has said nothing for {(now - due) / 3600:.0f} h",
            "systemctl status hubupdate",
        )


class Failing(NamedTuple):
    """How it is told that a program gets nothing: its `remedies` by the kinds of errors."""

    begins: str
    """How the ids of its troubles begin."""
    what: str
    unit: str
    remedies: Mapping[str, str]


_UPDATES = Failing(
    "update",
    "no update is taken",
    "hubupdate",
    {
        "expired": "hubctl clock; if that is right, who publishes must sign its lists again",
        "trust": "journalctl -u hubupdate; tell who publishes: a carrier may be forged",
        "link": "look at the carriers of /etc/hubupdate/hubupdate.toml",
    },
)


def failing(board: Board, now: float, told: Failing = _UPDATES) -> Iterator[UpdateTrouble]:
    """Yield what keeps a program from getting anything; a carrier may be away for LINK_SECONDS."""
    error = board.get("error")
    since = board.get("failing_since")
    if not isinstance(error, str):
        return
    lasted = now - since if is_number(since) else 0.0
    if error == "link" and lasted < LINK_SECONDS:
        return
    yield UpdateTrouble(
        f"{told.begins}-{error if error in told.remedies else 'failing'}",
        ERROR if error == "trust" else WARNING,
        f"{told.what}: {clean(board.get('said'))}",
        told.remedies.get(error, f"journalctl -u {told.unit}"),
    )


def _kept_back(board: Board) -> Iterator[UpdateTrouble]:
    bad = listed(board.get("quarantine"))
    if bad:
        yield UpdateTrouble(
            "update-quarantine",
            WARNING,
            f"images that failed on this hub: {len(bad)}, the last one {clean(bad[-1])[:16]}…",
            "hubctl update shows them; to try one again: sudo hubctl update DIGEST let-out",
        )
    if board.get("held") is True:
        yield UpdateTrouble(
            "update-held",
            WARNING,
            "a person holds this hub: it takes no update, nor one that mends a weakness",
            "sudo hubctl update hold --end",
        )
