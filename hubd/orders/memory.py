"""Which orders of the backend were asked, and what was answered: so that an id is done once.

Laws:
1. An order that was taken, refused or late is answered again with the same words. One that failed,
   or came too often, is new when it is asked again.
2. An id that comes again with another order is refused.
3. Orders are remembered for longer than one may live, also over a restart, from their own records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hubcore.backend.uplink.from_backend import Order
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.evidence.carried_orders import ALL_DOORS
from hubcore.evidence.facts import Fact, Value
from hubcore.evidence.records import RecordKind, StoredRecord
from hubd.doors.recall import ORDER_REMEMBERED_SECONDS, with_ages

OTHER_ORDER = "this id was another order's"
_KEPT = (OrderOutcome.TAKEN, OrderOutcome.REFUSED, OrderOutcome.LATE)

OrderAnswer = tuple[OrderOutcome, str]
"""The outcome of an order, and a sentence or nothing."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """What an id stands for."""

    by: str
    access_point: int
    order: str
    on: bool
    until: int | None


@dataclass(frozen=True, slots=True)
class _Answered:
    """An order that was asked, its answer, and when: monotonic seconds."""

    asked: _Asked
    answer: OrderAnswer
    at: float


class OrderMemory:
    """The orders of the last minutes; the pace of orders bounds how many."""

    def __init__(self) -> None:
        self._answered: dict[bytes, _Answered] = {}

    def __len__(self) -> int:
        return len(self._answered)

    def answer(self, order: Order, now: float) -> OrderAnswer | None:
        """Return what was answered to an order before, None when it is new."""
        self._forget(now)
        known = self._answered.get(order.id)
        if known is None:
            return None
        if known.asked != _asked(order):
            return OrderOutcome.REFUSED, OTHER_ORDER
        return known.answer

    def keep(self, order: Order, answer: OrderAnswer, now: float) -> None:
        """Keep an answer that is to be given again."""
        if answer[0] in _KEPT:
            self._answered[order.id] = _Answered(_asked(order), answer, now)

    def remember(self, records: Sequence[StoredRecord], now: float) -> None:
        """Learn from the newest records which orders were asked before a restart."""
        for record, age_seconds in with_ages(records, now):
            if record.kind is RecordKind.ORDER:
                self._learn(record.detail, now - age_seconds)

    def _learn(self, detail: Mapping[str, Value], at: float) -> None:
        match detail:
            case {
                Fact.ASKER: str(by),
                Fact.OP: bytes(key),
                Fact.POINT: int(point),
                Fact.ORDER: str(order),
                Fact.ON: bool(on),
                Fact.ALLOWED: bool(allowed),
                **rest,
            }:
                until = rest.get(Fact.UNTIL)
                asked = _Asked(
                    by=by,
                    access_point=point,
                    order=order,
                    on=on,
                    until=until if isinstance(until, int) else None,
                )
                outcome = OrderOutcome.TAKEN if allowed else _outcome_of(rest.get(Fact.OUTCOME))
                self._answered.pop(key, None)
                if outcome in _KEPT:
                    answer = (outcome, str(rest.get(Fact.WHY) or ""))
                    self._answered[key] = _Answered(asked, answer, at)

    def _forget(self, now: float) -> None:
        """Forget what no order can be a repetition of."""
        oldest = now - ORDER_REMEMBERED_SECONDS
        for key in [key for key, known in self._answered.items() if known.at < oldest]:
            del self._answered[key]


def _outcome_of(word: object) -> OrderOutcome:
    """Return the outcome that a record names; of a word that is none: REFUSED."""
    for outcome in OrderOutcome:
        if word == outcome.name.lower():
            return outcome
    return OrderOutcome.REFUSED


def _asked(order: Order) -> _Asked:
    return _Asked(
        by=order.by,
        access_point=ALL_DOORS if order.access_point is None else order.access_point,
        order=order.order.name.lower(),
        on=bool(order.on),
        until=order.until,
    )
