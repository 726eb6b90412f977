"""A position switch with two contacts: one closes with the door, the other opens with it.

Laws:
1. While both say the same of the door, that is told.
2. While they contradict each other for longer than CONTRADICT_SECONDS, that is tamper: a wire is
   cut, shorted, or off its switch. A moving leaf may leave both contacts open for a moment.
3. While they contradict each other no position is told: what was told last stands.
4. Tamper is told once, and its end once, also when the contacts were not watched in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hubcore.ports.doors import Input, InputEvent

CONTRADICT_SECONDS = 1.0


class Timer(Protocol):
    """What `call_later` of an event loop returns."""

    def cancel(self) -> None:
        """Let it not come."""


CallLater = Callable[[float, Callable[[], None]], Timer]


class TwoContacts:
    """The two contacts of one door; `opened` is what a contact says of the door."""

    def __init__(self, door: str, put: Callable[[InputEvent], None], call_later: CallLater) -> None:
        self._door = door
        self._put = put
        self._call_later = call_later
        self._first: bool | None = None
        self._second: bool | None = None
        self._told_open: bool | None = None
        self._tampered = False
        self._timer: Timer | None = None
        self._at = 0.0

    def first(self, opened: bool, at: float) -> None:
        """Take what the first contact says, at this monotonic second."""
        self._first = opened
        self._look(at)

    def second(self, opened: bool, at: float) -> None:
        """Take what the second contact says, at this monotonic second."""
        self._second = opened
        self._look(at)

    def unwatched(self) -> None:
        """The contacts are not watched any more: only tamper stands until they speak again."""
        self._stop_timer()
        self._first = None
        self._second = None
        self._told_open = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _look(self, at: float) -> None:
        self._at = at
        if self._first is None or self._second is None:
            return
        if self._first is not self._second:
            if self._timer is None and not self._tampered:
                self._timer = self._call_later(CONTRADICT_SECONDS, self._contradict_too_long)
            return
        self._stop_timer()
        if self._tampered:
            self._tampered = False
            self._tell(Input.TAMPER_ENDED)
        if self._told_open is not self._first:
            self._told_open = self._first
            self._tell(Input.DOOR_OPEN if self._first else Input.DOOR_CLOSED)

    def _contradict_too_long(self) -> None:
        self._timer = None
        self._tampered = True
        self._tell(Input.TAMPER)

    def _tell(self, what: Input) -> None:
        self._put(InputEvent(self._door, what, self._at))
