"""Reads what a bridge says of this moment (docs/bridge.md, `site-now`).

Laws:
1. Each row is judged by itself: one that is out of shape is left out, and hides no other.
2. At most ROWS_MAX rows of a kind are looked at.
3. No text of it is longer than its field, and none has a sign that is not shown.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from hubcore.errors import FrameError

ROWS_MAX = 2000
_UINT63_MAX = (1 << 63) - 1
_SECONDS_MAX = 253_402_300_000
"""The end of the last year that a page can show."""

HubId = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_-]{0,31}\Z")]
Word = Annotated[str, Meta(min_length=1, max_length=80)]
Count = Annotated[int, Meta(ge=0, le=_UINT63_MAX)]
Moment = Annotated[float, Meta(ge=0, le=_SECONDS_MAX)]
Identity = tuple[str, int, str, str, int]
"""What an alarm is known by: hub, number and hash of its record, words, and its whole second."""
_T = TypeVar("_T", bound=msgspec.Struct)


class SaidHub(msgspec.Struct, frozen=True):
    """Whether the bridge hears a hub now, and when it did last, in Unix seconds."""

    hub: HubId
    connected: bool
    heard_at: Moment | None


class SaidDoor(msgspec.Struct, frozen=True):
    """What happened last at a door of a hub, and which alarms stand there."""

    hub: HubId
    door: Word
    what: Word
    at: Moment
    alarms: Annotated[tuple[Word, ...], Meta(max_length=16)]


class SaidOrder(msgspec.Struct, frozen=True):
    """What holds doors of a hub: which order, where, by whom, and until when."""

    hub: HubId
    order: Word
    where: Word
    given_by: Word
    until: Moment | None


class SaidAlarm(msgspec.Struct, frozen=True):
    """An alarm of a hub; `record` and `hash` (in hexadecimal digits) name its record."""

    hub: HubId
    what: Annotated[str, Meta(min_length=1, max_length=200)]
    at: Moment
    record: Annotated[int, Meta(ge=1, le=_UINT63_MAX)]
    hash: Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]

    @property
    def identity(self) -> Identity:
        """What it is known by."""
        return self.hub, self.record, self.hash, self.what, int(self.at)


class BridgeNow(msgspec.Struct, frozen=True):
    """What a bridge says of one moment, `at` in Unix seconds by its own clock.

    Of so many doors and alarms it says nothing, for want of room.
    """

    bridge: HubId
    at: Moment
    doors_left_out: Count = 0
    alarms_left_out: Count = 0
    hubs: tuple[SaidHub, ...] = ()
    doors: tuple[SaidDoor, ...] = ()
    orders: tuple[SaidOrder, ...] = ()
    alarms: tuple[SaidAlarm, ...] = ()


def read_now(answer: dict[str, Any]) -> BridgeNow:
    """Read an answer (laws 1 to 3). Raise FrameError for one that does not say whose it is."""
    lists = ("hubs", "doors", "standing", "alarms")
    try:
        head = {name: value for name, value in answer.items() if name not in lists}
        now = msgspec.convert(head, BridgeNow)
    except (msgspec.ValidationError, OverflowError) as error:
        raise FrameError(f"the bridge's answer cannot be read: {str(error)[:120]}") from error
    return msgspec.structs.replace(
        now,
        hubs=_rows(answer.get("hubs"), SaidHub),
        doors=_rows(answer.get("doors"), SaidDoor),
        orders=_rows(answer.get("standing"), SaidOrder),
        alarms=_rows(answer.get("alarms"), SaidAlarm),
    )


def _rows(listed: object, kind: type[_T]) -> tuple[_T, ...]:
    rows = listed if isinstance(listed, list) else []
    found = []
    for one in rows[:ROWS_MAX]:
        try:
            found.append(msgspec.convert(_shown(one), kind))
        except (msgspec.ValidationError, OverflowError):
            continue
    return tuple(found)


def _shown(one: object) -> object:
    """Return a row with no sign that is not shown (law 3)."""
    if not isinstance(one, dict):
        return one
    return {name: shown(value) for name, value in one.items()}


def shown(value: Any) -> Any:
    """Return a text without signs that are not shown, and texts of a list; else what it was."""
    if isinstance(value, list):
        return [shown(one) if isinstance(one, str) else one for one in value[:ROWS_MAX]]
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in value)
