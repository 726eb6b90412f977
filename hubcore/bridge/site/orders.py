"""Which orders of a site a hub takes: in time, once, and the newest about each subject.

How it works: the site's key says in each order when it was issued. That moment is the order's
serial, too. Of two orders about one subject (this door's lockdown, that credential) the one that
was issued later holds, whichever comes first. So a carrier that keeps orders back, repeats them or
turns them round changes nothing but the delay.

Laws:
1. However orders come, late, twice or in any order: what holds for a subject is never older than
   what held before.
2. An order that came already is told apart from a new one. It is answered again, never done again.
3. What opens, or moves a device, needs a clock that is trusted: without one nobody can tell an old
   order. What shuts does not. An attacker who repeats it keeps people out, and lets nobody in.
4. Without a trusted clock the time is at least that of the last look with one, and at least that
   of the newest order taken since.
5. With a trusted clock an order from more than AHEAD_SECONDS ahead is refused. One that was taken
   before the clock was trusted is forgotten: it does not stand in the way of later ones.
6. The mandate of the key holds when the order was issued, and now.
7. Memory is bounded: a subject is forgotten once no older order about it can be in time, and what
   is as old as anything forgotten is not taken any more, whatever a clock says later. Disabled
   credentials and guests leave room for doors.

Keep what was taken in the record of the order. After a start give it to `took` again, in the order
of the records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from hubcore.bridge.mandate import Mandate
from hubcore.bridge.site.order import (
    OF_PERSONS,
    TAKE_SECONDS_MAX,
    SiteOrder,
    Subject,
)

AHEAD_SECONDS = 60
SUBJECTS_MAX = 512
CREDENTIALS_MAX = 384
"""Of them, so many may be credentials and guests."""


class SiteVerdict(Enum):
    """What a hub does with an order that has proven itself."""

    TAKE = "take"
    SAME = "same"
    """It was taken before: answer it again."""
    OVERTAKEN = "overtaken"
    """A newer one about the same subject was taken."""
    LATE = "late"
    EARLY = "early"
    """It was issued in the future."""
    KEY_ENDED = "key ended"
    """The mandate of its key does not hold."""
    NO_CLOCK = "no clock"
    """It opens, and the hub does not trust its clock."""
    FULL = "full"
    """Too many subjects are remembered."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What is remembered of the newest order about a subject."""

    id: bytes
    issued_ms: int


class SiteOrders:
    """The orders of the site that one hub has taken."""

    def __init__(self) -> None:
        self._newest: dict[Subject, Taken] = {}
        self._floor_ms = 0
        """A moment that has come for certain (law 4)."""
        self._forgotten_ms = -1
        """When the newest order was issued of those that were forgotten for room."""

    def __len__(self) -> int:
        return len(self._newest)

    def judge(self, order: SiteOrder, mandate: Mandate, now: int | None) -> SiteVerdict:
        """Say what is to be done with an order that `mandate` has proven.

        `now` in Unix seconds; None: the hub does not trust its clock. Call `took` once the record
        of the order is durable, and judge no other before.
        """
        if now is not None:
            self._set_floor(now)
        issued = order.issued_ms // 1000
        known = self._newest.get(order.subject)
        if known is not None and known.id == order.id:
            return SiteVerdict.SAME
        if not (mandate.holds(issued) and (now is None or mandate.holds(now))):
            return SiteVerdict.KEY_ENDED
        if now is None and order.needs_clock:
            return SiteVerdict.NO_CLOCK
        if now is not None and issued > now + AHEAD_SECONDS:
            return SiteVerdict.EARLY
        if 1000 * order.expires_at < self._floor_ms:
            return SiteVerdict.LATE
        if order.issued_ms <= (known.issued_ms if known else self._forgotten_ms):
            return SiteVerdict.OVERTAKEN
        return SiteVerdict.TAKE if known or self._has_room(order) else SiteVerdict.FULL

    def took(self, order: SiteOrder) -> None:
        """The order was taken: its record is durable."""
        self._newest[order.subject] = Taken(order.id, order.issued_ms)
        self._floor_ms = max(self._floor_ms, order.issued_ms)

    def _set_floor(self, now: int) -> None:
        """A trusted clock says this moment; forget what came from beyond it (law 5)."""
        ahead_ms = 1000 * (now + AHEAD_SECONDS + 1)
        if self._floor_ms >= ahead_ms:
            self._keep(lambda taken: taken.issued_ms < ahead_ms)
        self._floor_ms = 1000 * now

    def _has_room(self, order: SiteOrder) -> bool:
        """Forget what no older order can touch any more; tell whether one more has room."""
        oldest_ms = self._floor_ms - 1000 * TAKE_SECONDS_MAX
        self._forget_before(oldest_ms)
        persons = sum(subject[0] in OF_PERSONS for subject in self._newest)
        if order.subject[0] in OF_PERSONS and persons >= CREDENTIALS_MAX:
            return False
        return len(self._newest) < SUBJECTS_MAX

    def _forget_before(self, oldest_ms: int) -> None:
        old = [taken.issued_ms for taken in self._newest.values() if taken.issued_ms < oldest_ms]
        self._forgotten_ms = max(self._forgotten_ms, *old, -1)
        self._keep(lambda taken: taken.issued_ms >= oldest_ms)

    def _keep(self, wanted: Callable[[Taken], bool]) -> None:
        self._newest = {subject: taken for subject, taken in self._newest.items() if wanted(taken)}
