"""What people read of a hub's updates, and what Prometheus does."""

from __future__ import annotations

from hubcore.timing.moment import show_seconds
from hubctl.metrics.exposition import Family
from hubctl.page import Page, TextTable, Trouble
from hubctl.updating.board import Board, troubles
from hubterm.shapes import listed, mapping
from hubterm.text import clean, is_number

PHASES = {
    "resting": "nothing is on its way",
    "writing": "the new version is being fetched",
    "written": "the new version is to test itself",
    "waiting": "the new version waits for its window, its turn, and rest at the doors",
    "switching": "the new version takes over",
    "trial": "the new version is on trial",
    "returning": "the version before comes back",
}


def page(board: Board, now: float) -> Page:
    """Return what people read."""
    running = mapping(board.get("running"))
    other = mapping(board.get("other"))
    facts = [
        ("runs", f"{clean(running.get('version'))} in slot {clean(board.get('slot'))}"),
        ("other slot", clean(other.get("version")) if other else "nothing whole"),
        ("phase", PHASES.get(str(board.get("phase")), clean(board.get("phase")))),
        ("last step", f"{clean(board.get('said'))} ({_moment(board.get('at'))})"),
        ("next step", _moment(board.get("next_at"))),
        ("lists agreed last", _moment(board.get("looked_at"))),
        ("lists end", _moment(board.get("lists_end"))),
    ]
    shown = [Trouble(one.severity, one.id, one.what, one.remedy) for one in troubles(board, now)]
    bad: list[tuple[str, ...]] = [(clean(digest),) for digest in listed(board.get("quarantine"))]
    tables = [TextTable("In quarantine", ("digest",), bad)] if bad else []
    return Page(shown, facts, tables)


def families(board: Board) -> list[Family]:
    """Return the numbers; what is not known has no sample."""
    running = mapping(board.get("running"))
    other = mapping(board.get("other"))
    info = Family("hubd_update_info", "gauge", "Which image runs, and how far an update is.")
    info.add(
        1,
        version=running.get("version"),
        other=other.get("version") or "",
        slot=board.get("slot"),
        phase=board.get("phase"),
    )
    return [
        info,
        _gauge("hubd_update_held", "Whether a person holds this hub.", board.get("held")),
        _gauge(
            "hubd_update_withdrawn",
            "Whether the version that runs is off the list of images.",
            board.get("withdrawn"),
        ),
        _gauge(
            "hubd_update_quarantined",
            "How many images failed on this hub.",
            len(listed(board.get("quarantine"))),
        ),
        _gauge(
            "hubd_update_failing", "Whether the last step failed.", board.get("error") is not None
        ),
        _gauge(
            "hubd_update_looked_timestamp_seconds",
            "When both repositories agreed last.",
            board.get("looked_at"),
        ),
        _gauge(
            "hubd_update_lists_end_timestamp_seconds",
            "When the first of the signed lists ends.",
            board.get("lists_end"),
        ),
        _gauge(
            "hubd_update_held_by_plan",
            "Whether the director's plan holds this hub.",
            board.get("held_by_plan"),
        ),
    ]


def _gauge(name: str, says: str, value: object) -> Family:
    family = Family(name, "gauge", says)
    family.add(value)
    return family


def _moment(value: object) -> str:
    return show_seconds(value) if is_number(value) else "not known"
