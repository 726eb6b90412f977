"""The root of a policy: what its issuer signs. Small parts stand in it, large tables are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hubcore.access.words import Mode
from hubcore.calendar.schedule import Schedule
from hubcore.policy.policy import Operator, PointRules
from hubcore.policy.tree import Trees

DIGEST_BYTES = 32
NO_DIGEST = bytes(DIGEST_BYTES)
"""The digest of no policy."""


@dataclass(frozen=True, slots=True)
class RootHead:
    """What is read of a root first. `document` are the bytes that the issuer signed.

    `digest` is the SHA-256 of what they sign, whoever signed it how often: two policies of one
    version have two of them. `issued_at` in Unix seconds.
    """

    site: str
    version: int
    issued_at: int
    digest: bytes
    document: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Root:
    """A root that is proven and read. The parts mean what they mean in a `Policy`."""

    head: RootHead
    trees: Trees = field(default_factory=dict)
    schedules: Mapping[int, Schedule] = field(default_factory=dict)
    modes: Mapping[int, Mode] = field(default_factory=dict)
    points: Mapping[int, PointRules] = field(default_factory=dict)
    operators: Mapping[str, Operator] = field(default_factory=dict)
    groups: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def site(self) -> str:
        """The site whose policy it is."""
        return self.head.site

    @property
    def version(self) -> int:
        """The version."""
        return self.head.version
