"""One hub's talk with the bridge: what is remembered of it while its connection lasts."""

from __future__ import annotations

from dataclasses import dataclass, field

from hubbridge.hubs.giving import PolicyGiving
from hubbridge.hubs.keeping import Keeping
from hubbridge.hubs.said import HubLine
from hubbridge.hubs.state import HubState
from hubcore.codec.cose import VerifyKey
from hubcore.timing.pace import Bucket, Rate

HEADS = Rate(burst=256, per_second=128.0)
"""More than a hub signs (`hubd.bridge.heads`): each costs a signature check."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long a hub may take, in seconds; how many heads of it are proven."""

    first_seconds: float = 5.0
    silent_seconds: float = 120.0
    witness_seconds: float = 60.0
    heads: Rate = HEADS


@dataclass(slots=True)
class Talking:
    """One hub's talk."""

    hub: str
    turn: int
    line: HubLine
    state: HubState
    key: VerifyKey
    key_digest: bytes
    heads: Bucket
    full_until: float = 0.0
    witness_at: float = 0.0
    keeping: Keeping = field(init=False)
    giving: PolicyGiving = field(init=False)
    witnessed: int = 0
    """The number of the newest record in a testimony of this talk."""
