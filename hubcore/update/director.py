"""What the director's plan means for one hub at one moment.

Laws:
1. A hub falls into a bucket by its name and the image's digest alone. So each image has another
   order of the hubs, and one that nobody can reach finds its bucket as well.
2. A hub whose stage has begun stays in it: later stages have more hubs, never others.
3. A held hub takes nothing, also a canary.
4. A hub fetches as soon as its stage has begun. It switches only inside a window and in its turn.
5. A turn belongs to one hub of an area. Which one is drawn from the turn's number, so that all
   hubs draw alike, and no window misses a hub for ever.
6. A switch begins early enough in a turn that the longest trial ends inside it, for a clock that is
   wrong by up to CLOCK_SECONDS. So two hubs of one area never try at once.
7. Without a time that is believed, a hub takes nothing (`hubcore.update.belief`).

Law 6 holds for one trial without a break, among hubs that have the same list of areas. A hub that
loses its power in a trial begins that trial again, and may then go on into another hub's turn. A
person's return to the version before waits for no turn.
"""

from __future__ import annotations

import hashlib
from enum import Enum

from hubcore.calendar.schedule import WallTime
from hubcore.update.health import LONGEST_SECONDS
from hubcore.update.plan import HUNDREDTHS, Plan

TURN_SECONDS = 7200
CLOCK_SECONDS = 120
"""How wrong a hub's clock may be."""
HAND_BACK_SECONDS = 600
"""From the end of a bad trial until the old version is on air again, at the very most."""
LAST_START_SECONDS = TURN_SECONDS - int(LONGEST_SECONDS) - HAND_BACK_SECONDS - CLOCK_SECONDS
"""From here on in a turn no switch begins."""


class Word(Enum):
    """What a hub is told by the plan."""

    GO = "now"
    HELD = "the director holds it back"
    NOT_YET = "its stage has not begun"
    OUTSIDE_WINDOW = "no maintenance window"
    NOT_ITS_TURN = "another hub of its area has the turn, or the turn is too old"


def bucket_of(hub: str, digest: bytes) -> int:
    """Return a hub's place among all, 0..HUNDREDTHS - 1, for this image."""
    return _draw(digest + hub.encode(), HUNDREDTHS)


def may_fetch(plan: Plan, hub: str, at: float) -> Word:
    """Tell whether a hub may fetch the plan's image at `at` (Unix seconds)."""
    if plan.is_held or hub in plan.held:
        return Word.HELD
    if hub in plan.canaries:
        return Word.GO
    begun = [stage.share for stage in plan.stages if stage.begins <= at]
    if begun and bucket_of(hub, plan.image.digest) < begun[-1]:
        return Word.GO
    return Word.NOT_YET


def may_switch(plan: Plan, hub: str, at: float, wall: WallTime) -> Word:
    """Tell whether a hub may switch at `at`; `wall` is the same moment at the door."""
    fetching = may_fetch(plan, hub, at)
    if fetching is not Word.GO:
        return fetching
    if plan.windows and not any(rule.holds(wall.day, wall.minute) for rule in plan.windows):
        return Word.OUTSIDE_WINDOW
    return Word.GO if has_turn(plan.area_of(hub), hub, at) else Word.NOT_ITS_TURN


def has_turn(area: frozenset[str], hub: str, at: float) -> bool:
    """Tell whether a switch of this hub may begin at `at`, as far as its area goes."""
    if len(area) < 2:
        return True
    turn, into = divmod(at, TURN_SECONDS)
    if not CLOCK_SECONDS <= into < LAST_START_SECONDS:
        return False
    hubs = sorted(area)
    seed = "\n".join(hubs) + f"\n{int(turn)}"
    return hubs[_draw(seed.encode(), len(hubs))] == hub


def _draw(seed: bytes, count: int) -> int:
    """Return one of 0..count - 1, by the seed alone."""
    return int.from_bytes(hashlib.sha256(seed).digest(), "big") % count
