"""The policy: one signed, versioned snapshot of what the site's operator has decided for its hubs.

Laws: a policy is whole or it is nothing; a hub only ever goes to a higher version; it is signed by the site's issuer,
so whoever carries it (backend, bridge, a technician's stick) cannot change it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from hubd.core.schedule import Rule


class Mode(IntEnum):
    """What is ordered for an access point, beside the grants. Precedence: see design, `core.access`."""

    NORMAL = 0
    LOCKDOWN = 1
    NO_ENTRY = 2
    HOLD_OPEN = 3


@dataclass(frozen=True, slots=True)
class Policy:
    """`version` rises by each change; `issued_at` in Unix seconds. Ids of people are opaque."""

    site: str
    version: int
    issued_at: int
    revoked_credentials: frozenset[str] = frozenset()
    revoked_grants: frozenset[bytes] = frozenset()
    schedules: Mapping[int, tuple[Rule, ...]] = field(default_factory=dict)
    modes: Mapping[int, Mode] = field(default_factory=dict)
