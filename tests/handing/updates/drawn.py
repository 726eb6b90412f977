"""Which update is tried, who is killed amid it, and when: drawn by chance."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import Enum

from tests.handing.updates.machine import BAD, Kind

BAD_SHARE = 0.3
CONFIGURED_SHARE = 0.15
"""How many come with a configuration that only a start brings into force."""
TESTED_SHARE = 0.2
"""How many have hubd's own self-test, which takes longer than all the rest."""


class Moment(Enum):
    """When somebody is killed: what is waited for."""

    ANY = "any time"
    WARMING = "the new one warms up"
    GIVING = "the turn goes over"
    TRIAL = "on trial"
    PROMOTING = "the service manager is told"
    LEFT = "the old one has left"
    RETURNING = "returning"


LATER_SECONDS = {
    Moment.ANY: 10.0,
    Moment.WARMING: 2.0,
    Moment.GIVING: 0.06,
    Moment.TRIAL: 2.5,
    Moment.PROMOTING: 0.03,
    Moment.LEFT: 0.3,
    Moment.RETURNING: 0.3,
}
"""How long after that at most."""


class Victim(Enum):
    """Who is killed."""

    OLD = "old hubd"
    NEW = "new hubd"
    UPDATER = "hubupdate"
    GUARD = "guard"
    ALL = "all: a power cut"


@dataclass(frozen=True, slots=True)
class Update:
    """One update to be tried."""

    version: str
    kind: Kind
    moment: Moment
    victim: Victim
    later_seconds: float
    is_configured: bool
    tests_itself: bool

    def __str__(self) -> str:
        """What happens."""
        start = ", and a start is wanted" if self.is_configured else ""
        kind = self.kind.name.lower()
        what = f"{self.victim.value} at '{self.moment.value}' + {self.later_seconds:.3f} s"
        return f"{self.version} ({kind}{start}): {what}"


def draw(number: int, chance: random.Random) -> Update:
    """Draw an update."""
    moment = chance.choice(list(Moment))
    kind = chance.choice(BAD) if chance.random() < BAD_SHARE else Kind.GOOD
    if moment is Moment.RETURNING:
        kind = chance.choice((Kind.NEVER_STARTS, Kind.NO_PARTS, Kind.DIES))
    return Update(
        version=f"1.{number}",
        kind=kind,
        moment=moment,
        victim=chance.choice(list(Victim)),
        later_seconds=chance.uniform(0, LATER_SECONDS[moment]),
        is_configured=chance.random() < CONFIGURED_SHARE,
        tests_itself=chance.random() < TESTED_SHARE,
    )
