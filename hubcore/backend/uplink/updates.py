"""What a hub says of its own version: what runs, and how far an update is.

Laws:
1. It is no evidence. It names no person, no key and no carrier.
2. A hub that takes no updates says so, too: with the version of its program alone.
3. It has a ceiling, whatever is in quarantine there: the newest QUARANTINE_MAX digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, ClassVar, Self

from hubcore.backend.uplink.fields import Message, check_bytes, check_text, check_uint
from hubcore.backend.uplink.words import HASH_BYTES
from hubcore.errors import FrameError

VERSION_BYTES_MAX = 64
QUARANTINE_MAX = 32


class UpdatePhase(IntEnum):
    """How far an update is. The numbers are never changed."""

    NONE = 0
    """This hub takes no updates."""
    RESTING = 1
    WRITING = 2
    WRITTEN = 3
    WAITING = 4
    SWITCHING = 5
    TRIAL = 6
    RETURNING = 7
    UNKNOWN = 8
    """What it shows of its updates cannot be read."""


class UpdateSlot(IntEnum):
    """From which slot a hub runs."""

    NONE = 0
    A = 1
    B = 2


class UpdateHold(IntEnum):
    """Who keeps a hub at its version."""

    NOBODY = 0
    PERSON = 1
    """Somebody at the hub."""
    PLAN = 2
    """The director's plan."""


class UpdateFault(IntEnum):
    """Why a hub takes no update."""

    NONE = 0
    EXPIRED = 1
    """A list's time has ended, or the hub's clock is not believed."""
    LINK = 2
    """No carrier is there."""
    STORE = 3
    """Its disk, or the state of its slots."""
    TRUST = 4
    """A carrier brings what nobody signed."""
    OTHER = 5
    STOPPED = 6
    """The program of updates says nothing any more."""


@dataclass(frozen=True, slots=True)
class UpdateState(Message):
    """Hub: this version runs here, and so far is an update.

    `digest` is the image's, empty for a hub that runs from no slot. `other` is the version of the
    other slot, "" for none. `lists_end` is when the first of the signed lists ends, in Unix
    seconds, 0 where that is not known.
    """

    TYPE: ClassVar[int] = 15
    DEPTH: ClassVar[int] = 2
    ITEMS: ClassVar[int] = 12 + QUARANTINE_MAX
    phase: UpdatePhase
    slot: UpdateSlot
    version: str
    digest: bytes
    other: str
    hold: UpdateHold
    is_withdrawn: int
    """1: the version that runs is off the list of images."""
    fault: UpdateFault
    lists_end: int
    quarantine: tuple[bytes, ...]
    """Digests of images that failed here, the newest last."""

    def __post_init__(self) -> None:
        """Raise FrameError for a field out of shape."""
        _check_kind("phase", self.phase, UpdatePhase)
        _check_kind("slot", self.slot, UpdateSlot)
        check_text("version", self.version, VERSION_BYTES_MAX)
        if self.digest:
            check_bytes("digest", self.digest, HASH_BYTES, HASH_BYTES)
        check_bytes("digest", self.digest, 0, HASH_BYTES)
        check_text("other", self.other, VERSION_BYTES_MAX, 0)
        _check_kind("hold", self.hold, UpdateHold)
        check_uint("is_withdrawn", self.is_withdrawn, 1)
        _check_kind("fault", self.fault, UpdateFault)
        check_uint("lists_end", self.lists_end)
        if type(self.quarantine) is not tuple or len(self.quarantine) > QUARANTINE_MAX:
            raise FrameError(f"uplink: quarantine is no list of at most {QUARANTINE_MAX}")
        for digest in self.quarantine:
            check_bytes("quarantine", digest, HASH_BYTES, HASH_BYTES)

    @classmethod
    def read(cls, values: Sequence[Any]) -> Self:
        """Make it; each kind comes as its number."""
        phase, slot, version, digest, other, hold, withdrawn, fault, lists_end, bad = values
        check_uint("phase", phase, max(UpdatePhase))
        check_uint("slot", slot, max(UpdateSlot))
        check_uint("hold", hold, max(UpdateHold))
        check_uint("fault", fault, max(UpdateFault))
        return cls(
            phase=UpdatePhase(phase),
            slot=UpdateSlot(slot),
            version=version,
            digest=digest,
            other=other,
            hold=UpdateHold(hold),
            is_withdrawn=withdrawn,
            fault=UpdateFault(fault),
            lists_end=lists_end,
            quarantine=tuple(bad) if type(bad) is list else bad,
        )


def _check_kind(name: str, value: object, kind: type[IntEnum]) -> None:
    if type(value) is not kind:
        raise FrameError(f"uplink: {name} is none of those known")
