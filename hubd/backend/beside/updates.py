"""Tells the backend which version runs here, and how far an update is.

How it works: `hubupdate` shows how it stands in a file (docs/updates.md). The hub reads that now
and then, and says what it found when it is something else than before.

Laws:
1. The file is another program's. Whatever is in it raises nothing, and costs BYTES_MAX at most.
2. It goes once on each connection, when it changed, and again after AGAIN_SECONDS: nobody answers
   it. At most one goes in `Pace.update_seconds`, but for the first of a connection.
3. A hub without such a file says the version of its program, and that it takes no updates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeGuard

from hubcore.backend.pace import Pace
from hubcore.backend.uplink.from_hub import HubMessage
from hubcore.backend.uplink.updates import (
    QUARANTINE_MAX,
    UpdateFault,
    UpdateHold,
    UpdatePhase,
    UpdateSlot,
    UpdateState,
)
from hubcore.backend.uplink.words import HASH_BYTES, INT64_MAX
from hubcore.errors import FrameError
from hubcore.ports.clock import Clock
from hubcore.update.image import is_version
from hubcore.update.running.board import BYTES_MAX, late_seconds
from hubcore.update.slots import Phase

AGAIN_SECONDS = 3600.0
_PHASES = {str(phase): UpdatePhase[phase.name] for phase in Phase}
_SLOTS = {"A": UpdateSlot.A, "B": UpdateSlot.B}
_FAULTS = {
    "expired": UpdateFault.EXPIRED,
    "link": UpdateFault.LINK,
    "store": UpdateFault.STORE,
    "trust": UpdateFault.TRUST,
}

ReadBoard = Callable[[], bytes | None]
"""Returns what the file holds, at most BYTES_MAX and one; None where there is none. Raises OSError.
"""


class UpdateTeller:
    """`say` hands a message to the uplink; False when it takes none. Without `read`: silent."""

    def __init__(
        self,
        *,
        read: ReadBoard | None,
        software: str,
        clock: Clock,
        pace: Pace,
        say: Callable[[HubMessage], bool],
    ) -> None:
        self._read = read
        self._software = software
        self._clock = clock
        self._seconds = pace.update_seconds
        self._say = say
        self._look_at = float("-inf")
        self._told: UpdateState | None = None
        self._told_at = float("-inf")

    def rewind(self) -> None:
        """The connection has ended: it is told on the next one."""
        self._look_at = float("-inf")
        self._told = None

    def tell(self) -> float | None:
        """Say what is new; return when to look again, in monotonic seconds, None for never."""
        if self._read is None:
            return None
        now = self._clock.monotonic()
        if now < self._look_at:
            return self._look_at
        self._look_at = now + self._seconds
        state = state_of(self._read, self._software, self._clock.wall())
        is_due = state != self._told or now - self._told_at >= AGAIN_SECONDS
        if is_due and self._say(state):
            self._told = state
            self._told_at = now
        return self._look_at


def state_of(read: ReadBoard, software: str, wall: float) -> UpdateState:
    """Return what a hub says of its version; `software` is that of the program that asks."""
    try:
        data = read()
        if data is None:
            return _bare(software, UpdatePhase.NONE, UpdateFault.NONE)
        return _shown(_board(data), software, wall)
    except (OSError, ValueError, OverflowError, RecursionError, FrameError):
        return _bare(software, UpdatePhase.UNKNOWN, UpdateFault.OTHER)


def _bare(software: str, phase: UpdatePhase, fault: UpdateFault) -> UpdateState:
    """Return what is said where no board tells more."""
    return UpdateState(
        phase=phase,
        slot=UpdateSlot.NONE,
        version=software,
        digest=b"",
        other="",
        hold=UpdateHold.NOBODY,
        is_withdrawn=0,
        fault=fault,
        lists_end=0,
        quarantine=(),
    )


def _board(data: bytes) -> Mapping[str, Any]:
    if len(data) > BYTES_MAX:
        raise ValueError("it is too long")
    board = json.loads(data)
    if not isinstance(board, dict):
        raise ValueError("it is no board")  # noqa: TRY004
    return board


def _shown(board: Mapping[str, Any], software: str, wall: float) -> UpdateState:
    """Raise FrameError for what no message holds."""
    version = _version(board.get("running"))
    return UpdateState(
        phase=_PHASES.get(str(board.get("phase")), UpdatePhase.UNKNOWN),
        slot=_SLOTS.get(str(board.get("slot")), UpdateSlot.NONE),
        version=version or software,
        digest=_digest(_mapping(board.get("running")).get("digest")) if version else b"",
        other=_version(board.get("other")),
        hold=_hold(board),
        is_withdrawn=int(board.get("withdrawn") is True),
        fault=_fault(board, wall),
        lists_end=_seconds(board.get("lists_end")),
        quarantine=_digests(board.get("quarantine")),
    )


def _hold(board: Mapping[str, Any]) -> UpdateHold:
    if board.get("held") is True:
        return UpdateHold.PERSON
    return UpdateHold.PLAN if board.get("held_by_plan") is True else UpdateHold.NOBODY


def _fault(board: Mapping[str, Any], wall: float) -> UpdateFault:
    """A program that is late says nothing of now, so that comes first."""
    due = board.get("next_at")
    if _is_number(due) and wall - due > late_seconds(board.get("phase")):
        return UpdateFault.STOPPED
    error = board.get("error")
    return UpdateFault.NONE if error is None else _FAULTS.get(str(error), UpdateFault.OTHER)


def _version(image: object) -> str:
    version = _mapping(image).get("version")
    return version if isinstance(version, str) and is_version(version) else ""


def _digests(value: object) -> tuple[bytes, ...]:
    listed = value if isinstance(value, list) else []
    found = [digest for one in listed if (digest := _digest(one))]
    return tuple(found[-QUARANTINE_MAX:])


def _digest(value: object) -> bytes:
    try:
        digest = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        return b""
    return digest if len(digest) == HASH_BYTES else b""


def _seconds(value: object) -> int:
    """JSON may bring NaN, an infinity, or a number without end."""
    return int(value) if _is_number(value) and 0 <= value <= INT64_MAX // 2 else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
