"""What a site's cache of updates shows, and what of it needs somebody.

Laws:
1. The file is another program's. Whatever is in it raises nothing, and is cleaned when it is
   shown.
2. A machine without such a file keeps no cache. That is no fault.
3. A cache that does not look any more is told: what it says is old.
4. A cache whose lists have ended is told: hubs take nothing from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hubcore.timing.moment import show_seconds
from hubcore.update.running.board import CACHE_LATE_SECONDS
from hubctl.page import Page, Trouble
from hubctl.updating.board import (
    ERROR,
    WARNING,
    Board,
    Failing,
    UpdateTrouble,
    failing,
    read_board,
)
from hubterm.text import clean, is_number

SOON_SECONDS = 2 * 86_400.0
"""So long before its lists end somebody is told: a timestamp lasts 7 days."""
_CACHE = Failing(
    "cache",
    "the site's cache of updates gets nothing new",
    "hubupdate-mirror",
    {
        "expired": "timedatectl; if that is right, who publishes must sign its lists again",
        "trust": "journalctl -u hubupdate-mirror; tell who publishes: a server may be forged",
        "link": "look at the line, and at the carriers of /etc/hubupdate/mirror.toml",
        "store": "look at the disk, and at bytes_max of /etc/hubupdate/mirror.toml",
    },
)


def troubles_of_file(file: Path, now: float) -> list[UpdateTrouble] | None:
    """Return what needs somebody, the gravest first; None where no cache is kept."""
    try:
        board = read_board(file)
    except (OSError, ValueError) as error:
        what = f"{clean(str(file))} cannot be read: {clean(str(error))}"
        remedy = "systemctl status hubupdate-mirror"
        return [UpdateTrouble("cache-unreadable", WARNING, what, remedy)]
    return None if board is None else cache_troubles(board, now)


def cache_troubles(board: Board, now: float) -> list[UpdateTrouble]:
    """Return what needs somebody, the gravest first."""
    found = [*_stopped(board, now), *failing(board, now, _CACHE), *_ending(board, now)]
    return sorted(found, key=lambda one: one.severity != ERROR)


def cache_page(board: Board, now: float) -> Page:
    """Return what people read."""
    found = cache_troubles(board, now)
    return Page(
        [Trouble(one.severity, one.id, one.what, one.remedy) for one in found],
        [
            ("looked last", f"{_moment(board.get('at'))}: {clean(board.get('said'))}"),
            ("up to date last", _moment(board.get("fresh_at"))),
            ("lists end", _moment(board.get("lists_end"))),
            ("holds", f"{_count(board.get('plans'))} plans, {_count(board.get('images'))} images"),
        ],
    )


def _stopped(board: Board, now: float) -> Iterator[UpdateTrouble]:
    at = board.get("at")
    if not is_number(at) or now - at > CACHE_LATE_SECONDS:
        yield UpdateTrouble(
            "cache-stopped",
            WARNING,
            f"the site's cache of updates has not looked since {_moment(at)}",
            "systemctl list-timers hubupdate-mirror.timer; journalctl -u hubupdate-mirror",
        )


def _ending(board: Board, now: float) -> Iterator[UpdateTrouble]:
    ends = board.get("lists_end")
    if not is_number(ends) or ends - now > SOON_SECONDS:
        return
    is_over = ends <= now
    yield UpdateTrouble(
        "cache-old" if is_over else "cache-ending",
        ERROR if is_over else WARNING,
        f"its lists {'ended' if is_over else 'end'} {_moment(ends)}: "
        f"hubs take {'nothing' if is_over else 'nothing then'} from this cache",
        "journalctl -u hubupdate-mirror says why it gets no newer ones",
    )


def _count(value: object) -> str:
    return f"{value:g}" if is_number(value) else "not known:"


def _moment(value: object) -> str:
    return show_seconds(value) if is_number(value) else "never"
