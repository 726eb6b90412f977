"""How a doubt of a hub was ended (`hubbridge.store.meeting`)."""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.backend.uplink.words import Cause
from hubcore.evidence.records import Head


@dataclass(frozen=True, slots=True)
class DoubtEnded:
    """Somebody has ended the doubt of a hub; `aside` records of what was seen were set aside.

    `told` is what the hub had said, `seen` what the bridge had seen; `accepted` is one of both.
    """

    at_ms: int
    hub: str
    by: str
    uid: int
    cause: Cause
    told: Head
    seen: Head
    accepted: Head
    aside: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of it; `ended` None: nothing was changed, and `why` says why."""

    ended: DoubtEnded | None = None
    why: str = ""
