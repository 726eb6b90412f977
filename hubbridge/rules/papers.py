"""The orders that a site has given: which hub is still to hear which, and what each has answered.

How it works: an order is kept from when it was signed. It is for one hub or for all. A hub must
take it within minutes of its issue, but what stands may stand for days. So a hub that comes later
needs the same order anew: with a new moment, and the same end.

Laws:
1. Of two orders about one subject for one hub the one that was issued later counts, whichever came
   first. An order for all hubs and one for this hub are about the same subject there.
2. A hub is told an order that it has not answered, or that it answered with BUSY or FAILED, while
   it can be in time. Answers are not kept over a restart: then a hub is asked again, and answers.
3. What stands, and a hub could take no more, is due anew for that hub. What is done
   once, a release or a command of a device, is never due anew,
   and neither is what a hub has taken or refused.
   An order for all hubs is signed anew for all, unless a newer one for some hub is about the same:
   then for this hub alone. What hubs have answered stays with it.
4. The end of what stands is due anew for a hub only while something could stand there by an order
   before it.
5. Moments of issue rise strictly, whatever the clock says.
6. At most ORDERS_MAX are kept, and what is signed anew leaves ROOM_FOR_PEOPLE. What neither stands
   nor can be in time goes first; where there is no such, no order is given. Of two for the same
   place that say the same, the newer is kept: a hub that needs one anew again and again takes no
   more room.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.site.order import DISABLED_SECONDS_MAX, ONCE, SiteOrder, Subject
from hubcore.errors import StoreError

ORDERS_MAX = 512
ROOM_FOR_PEOPLE = 64
"""Places that are never taken by what is signed anew: somebody may have to lock down."""
_AGAIN = (None, OrderOutcome.BUSY, OrderOutcome.FAILED)
_ANEW = (*_AGAIN, OrderOutcome.LATE)


@dataclass(frozen=True, slots=True)
class Paper:
    """An order, its signed document, and what each hub has answered to it."""

    order: SiteOrder
    document: bytes
    answers: dict[str, OrderOutcome] = field(default_factory=dict, compare=False)
    details: dict[str, str] = field(default_factory=dict, compare=False)
    """What a hub said to an answer that is no yes."""

    @property
    def until(self) -> int | None:
        """Until when something stands by it; None: nothing does."""
        return self.order.until


class Papers:
    """All orders that a site has given and that still matter."""

    def __init__(self, kept: tuple[Paper, ...] = ()) -> None:
        self._papers = {paper.order.id: paper for paper in kept}

    def __len__(self) -> int:
        return len(self._papers)

    def all(self) -> tuple[Paper, ...]:
        """Return all that are kept, in the order of their issue."""
        return tuple(sorted(self._papers.values(), key=lambda one: one.order.issued_ms))

    def next_moment(self, now_ms: int) -> int:
        """Return the moment of the next order, in Unix milliseconds (law 5)."""
        newest = max((one.order.issued_ms for one in self._papers.values()), default=-1)
        return max(now_ms, newest + 1)

    def make_room(self, now: int, most: int = ORDERS_MAX) -> None:
        """Forget what matters no more. Raise StoreError when all that is kept matters (law 6)."""
        self._papers = {key: one for key, one in self._papers.items() if _matters(one, now)}
        if len(self._papers) >= most:
            raise StoreError(
                f"{most} orders of the site are kept and stand or wait: "
                "end some, or wait until they end"
            )

    def add(self, paper: Paper) -> None:
        """Keep an order; `make_room` was asked before."""
        kept = {key: one for key, one in self._papers.items() if not _says_all_of(paper, one)}
        self._papers = {**kept, paper.order.id: paper}

    def find(self, key: bytes) -> Paper | None:
        """Return the order of this id."""
        return self._papers.get(key)

    def answered(self, hub: str, key: bytes, outcome: OrderOutcome, detail: str = "") -> bool:
        """A hub has answered an order; tell whether it was one for it."""
        paper = self._papers.get(key)
        if paper is None or paper.order.hub not in (None, hub):
            return False
        paper.answers[hub] = outcome
        paper.details.pop(hub, None)
        if outcome is not OrderOutcome.TAKEN and detail:
            paper.details[hub] = detail
        return True

    def due(self, hub: str, now: int) -> tuple[Paper, ...]:
        """Return what a hub is still to hear, in the order of issue (laws 1 and 2)."""
        newest = self._newest(hub).values()
        found = [
            one for one in newest if one.order.expires_at >= now and one.answers.get(hub) in _AGAIN
        ]
        return tuple(sorted(found, key=lambda one: one.order.issued_ms))

    def due_anew(self, hub: str, now: int) -> tuple[Paper, ...]:
        """Return what is to be signed anew for a hub that could not take it (laws 3 and 4)."""
        found: list[Paper] = []
        for one in self._newest(hub).values():
            is_too_late = one.order.expires_at < now and one.answers.get(hub) in _ANEW
            if is_too_late and self._is_wanted(one, hub, now):
                found.append(one)
        return tuple(sorted(found, key=lambda one: one.order.issued_ms))

    def whom_anew(self, one: Paper, hub: str) -> str | None:
        """Return for whom an order that a hub missed is signed anew; None: for all (law 3)."""
        if one.order.hub is not None:
            return one.order.hub
        about = (other.order for other in self._papers.values())
        has_newer = any(
            order.subject == one.order.subject and order.issued_ms > one.order.issued_ms
            for order in about
        )
        return hub if has_newer else None

    def ends_nothing(self, end: Paper, now: int) -> bool:
        """Tell whether an order is an end of something that nobody has given here."""
        if end.until is not None or isinstance(end.order.what, ONCE):
            return False
        return not any(
            one.order.subject == end.order.subject
            and one.order.issued_ms < end.order.issued_ms
            and _stands(one, now)
            for one in self._papers.values()
        )

    def standing(self, now: int) -> tuple[Paper, ...]:
        """Return what the site has ordered and has not ended, in the order of issue."""
        ended: set[tuple[Subject, str | None]] = set()
        found: list[Paper] = []
        for one in reversed(self.all()):
            place = (one.order.subject, one.order.hub)
            if place in ended or (one.order.subject, None) in ended:
                continue
            ended.add(place)
            if _stands(one, now):
                found.append(one)
        return tuple(reversed(found))

    def _newest(self, hub: str) -> dict[Subject, Paper]:
        found: dict[Subject, Paper] = {}
        for one in self.all():
            if one.order.hub in (None, hub):
                found[one.order.subject] = one
        return found

    def _is_wanted(self, one: Paper, hub: str, now: int) -> bool:
        """Tell whether an order still changes something at a hub that has not taken it."""
        return _stands(one, now) or (one.until is None and self._may_stand(one, hub, now))

    def _may_stand(self, end: Paper, hub: str, now: int) -> bool:
        """Tell whether an earlier order about the subject may still stand at a hub."""
        if isinstance(end.order.what, ONCE):
            return False
        return any(
            one.order.subject == end.order.subject
            and one.order.hub in (None, hub)
            and one.order.issued_ms < end.order.issued_ms
            and one.answers.get(hub) in (*_ANEW, OrderOutcome.TAKEN)
            and _stands(one, now)
            for one in self._papers.values()
        )


def anew(order: SiteOrder, document: bytes, before: Paper) -> Paper:
    """Return an order that was signed anew, with what hubs have said to it for good."""
    kept = {hub: said for hub, said in before.answers.items() if said not in _ANEW}
    details = {hub: why for hub, why in before.details.items() if hub in kept}
    return Paper(order, document, kept, details)


def _stands(one: Paper, now: int) -> bool:
    return one.until is not None and one.until > now


def _says_all_of(new: Paper, old: Paper) -> bool:
    """Tell whether a newer order makes an older one for the same place needless."""
    is_same_place = (new.order.subject, new.order.hub) == (old.order.subject, old.order.hub)
    if isinstance(new.order.what, ONCE) or not is_same_place:
        return False
    if new.order.issued_ms < old.order.issued_ms:
        return False
    if new.until is None or old.until is None:
        return new.until is old.until
    return new.until >= old.until


def _matters(one: Paper, now: int) -> bool:
    if one.order.expires_at >= now or _stands(one, now):
        return True
    is_end = one.until is None and not isinstance(one.order.what, ONCE)
    return is_end and one.order.issued_ms // 1000 + DISABLED_SECONDS_MAX > now
