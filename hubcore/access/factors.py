"""Which proofs a door demands, and when: by schedule, as ONVIF's authentication behaviour.

Laws:
1. The first demand whose schedule holds counts. A schedule that the hub does not have never holds.
2. Where no demand counts, one factor of any kind will do.
3. A demand is met by one of its alternatives, whole. More factors than demanded do no harm.
4. What is demanded is never less than one factor and one person.

Source: ONVIF Authentication Behavior Service Specification, AuthenticationProfile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntFlag

ALTERNATIVES_MAX = 8
DEMANDS_MAX = 16


class Factor(IntFlag):
    """What a claim has proven. The bits stand in policies and records: they are never changed."""

    PHONE = 1
    """A phone that holds the key of a grant."""
    INTENT = 2
    """The holder said so to the phone at this door: a touch, a face, a code."""
    CARD = 4
    PIN = 8


ALL_FACTORS = Factor.PHONE | Factor.INTENT | Factor.CARD | Factor.PIN


@dataclass(frozen=True, slots=True)
class Demand:
    """What a door demands: one of `alternatives`, each a set of factors, by `persons` holders.

    `schedule` is the number of the schedule in which it counts; None: always.
    """

    alternatives: tuple[Factor, ...]
    persons: int = 1
    schedule: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a demand of nothing, or of more than there is."""
        if not 1 <= len(self.alternatives) <= ALTERNATIVES_MAX:
            raise ValueError(f"a demand has not 1..{ALTERNATIVES_MAX} alternatives")
        for factors in self.alternatives:
            if not 0 < factors <= ALL_FACTORS:
                raise ValueError(f"factors {int(factors)} are not within 1..{int(ALL_FACTORS)}")
        if self.persons not in (1, 2):
            raise ValueError(f"a demand of {self.persons} persons, not 1 or 2")

    def met_by(self, factors: Factor) -> bool:
        """Tell whether a claim with these factors meets it, but for the number of persons."""
        return any(factors & demanded == demanded for demanded in self.alternatives)


ANY_FACTOR = Demand(tuple(Factor))


def strictest(demands: Sequence[Demand]) -> Demand:
    """Return what meets every demand at once, for when nobody knows which of them counts."""
    strict = ANY_FACTOR
    for demand in demands:
        joined = {mine | theirs for mine in strict.alternatives for theirs in demand.alternatives}
        strict = Demand(
            alternatives=_least(joined),
            persons=max(strict.persons, demand.persons),
        )
    return strict


def _least(sets: set[Factor]) -> tuple[Factor, ...]:
    """Return the sets that hold no other one: who has proven those has proven enough."""
    least = [one for one in sets if not any(_holds_less(one, other) for other in sets)]
    return tuple(sorted(least))


def _holds_less(one: Factor, other: Factor) -> bool:
    """Tell whether `other` is a part of `one`, and less than it."""
    return other != one and one & other == other


def demanded(demands: Sequence[Demand], holds: Callable[[int], bool]) -> Demand:
    """Return the demand that counts now; `holds` tells whether a schedule holds."""
    for demand in demands:
        if demand.schedule is None or holds(demand.schedule):
            return demand
    return ANY_FACTOR
