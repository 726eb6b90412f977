"""Keys → what is shown next.

Laws:
1. A key changes only what is looked at, never the hub.
2. Which door is chosen is kept by its id: it stays chosen when the doors change their places.
3. While a filter is typed, every sign belongs to it.

    HUB ── Enter ──▶ TRACE          HUB ── ? ──▶ HELP          q ends from everywhere
     ▲                 │             ▲             │
     └── Esc, Left ────┘             └── any key ──┘
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

FILTER_CHARS_MAX = 40
PAGE_ROWS = 10
UNLOCKS_MAX = 64
"""As many as a hub keeps."""


class View(Enum):
    """What the screen shows."""

    HUB = "hub"
    TRACE = "trace"
    HELP = "help"


class Key(Enum):
    """A key that means something; any other comes as the sign it types."""

    UP = "up"
    DOWN = "down"
    PAGE_UP = "page up"
    PAGE_DOWN = "page down"
    HOME = "home"
    END = "end"
    LEFT = "left"
    ENTER = "enter"
    ESCAPE = "escape"
    BACKSPACE = "backspace"


class State(NamedTuple):
    """What is looked at. `chosen` is the id of a door, `unlock` the place in its trace."""

    view: View = View.HUB
    chosen: str = ""
    unlock: int = 0
    filter: str = ""
    typing: bool = False
    ended: bool = False


MOVES = {
    Key.UP: -1,
    Key.DOWN: 1,
    Key.PAGE_UP: -PAGE_ROWS,
    Key.PAGE_DOWN: PAGE_ROWS,
    Key.HOME: -(10**6),
    Key.END: 10**6,
}


def press(state: State, key: Key | str, doors: Sequence[str], unlocks: int) -> State:
    """Return what is looked at after a key.

    `doors` are the ids of the doors in the order shown, `unlocks` how many the trace has.
    """
    if state.typing:
        return _typed(state, key)
    if key in ("q", "Q"):
        return state._replace(ended=True)
    match state.view:
        case View.HUB:
            return _at_hub(state, key, doors)
        case View.TRACE:
            return _at_trace(state, key, unlocks)
        case View.HELP:
            return state._replace(view=View.HUB)


def _typed(state: State, key: Key | str) -> State:
    match key:
        case Key.ENTER:
            return state._replace(typing=False)
        case Key.ESCAPE:
            return state._replace(typing=False, filter="")
        case Key.BACKSPACE:
            return state._replace(filter=state.filter[:-1])
        case str() if key.isprintable():
            return state._replace(filter=(state.filter + key)[:FILTER_CHARS_MAX])
    return state


def _at_hub(state: State, key: Key | str, doors: Sequence[str]) -> State:
    match key:
        case "/":
            return state._replace(typing=True)
        case "?":
            return state._replace(view=View.HELP)
        case Key.ESCAPE:
            return state._replace(filter="")
        case Key.ENTER if doors:
            return state._replace(view=View.TRACE, chosen=chosen(state, doors), unlock=0)
        case Key() if key in MOVES and doors:
            at = doors.index(chosen(state, doors)) + MOVES[key]
            return state._replace(chosen=doors[min(max(at, 0), len(doors) - 1)])
    return state


def _at_trace(state: State, key: Key | str, unlocks: int) -> State:
    match key:
        case "?":
            return state._replace(view=View.HELP)
        case Key.ESCAPE | Key.LEFT | Key.BACKSPACE | Key.ENTER:
            return state._replace(view=View.HUB)
        case Key() if key in MOVES:
            at = state.unlock + MOVES[key]
            return state._replace(unlock=min(max(at, 0), max(unlocks - 1, 0)))
    return state


def chosen(state: State, doors: Sequence[str]) -> str:
    """Return the door that is chosen: the first, until another is, or when it has gone."""
    if state.chosen in doors:
        return state.chosen
    return doors[0] if doors else ""
