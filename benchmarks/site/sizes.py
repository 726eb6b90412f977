"""How much there is, and what those who ask have."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is of each."""

    people: int
    acts: int
    phones: int
    records: int = 0


@dataclass(frozen=True, slots=True)
class Filled:
    """What those who ask have: an operator's cookie, and an access token for each phone."""

    cookie: str
    tokens: tuple[str, ...]
    person: str
    credentials: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """One revocation: seconds until the engine has it, and until a hub has said that it has it.

    `cpu_seconds` of the process that publishes, until the engine has it.
    """

    seconds: float
    hub_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Visited:
    """One phone that was revoked while it came again and again.

    `seconds` from the commit until it was refused; of each visit before, that was let in: `took`.
    """

    seconds: float
    took: list[float]
