"""Orders as a page shows them: words for what was ordered, how far it is, what hubs answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from hubsite.orders.models import Given, Order
from hubsite.orders.standing import hubs_left, may_be_ended
from hubsite.orders.words import DONE, Answered, OrderKind, OrderState, WayName, Wish
from hubsite.pages.orders.forms import Places

_STATES = {
    OrderState.WAITING: "waits for a way to the hubs",
    OrderState.GIVING: "is being given",
    OrderState.GIVEN: "was given",
    OrderState.FAILED: "was not given",
    OrderState.UNCLEAR: "may have been given: look at the doors",
}
_ANSWERS = {
    Answered.TAKEN: "done",
    Answered.RELEASED: "opened",
    Answered.LATE: "came too late",
    Answered.REFUSED: "refused",
    Answered.FAILED: "failed",
    Answered.BUSY: "was busy: nothing was done",
    Answered.UNCLEAR: "may have done it",
}
NO_ANSWER = "no answer yet"
_WAYS = {WayName.ENGINE: "by the engine", WayName.BRIDGE: "by the bridge"}


@dataclass(frozen=True, slots=True)
class ShownAnswer:
    """What one hub has answered; `is_done` if the doors there are as they were asked to be."""

    hub: str
    words: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class ShownOrder:
    """One order. `left` are hubs at which it may stand though it was ended or replaced.

    `not_told` are hubs that this server knows, and that were not given it though it concerns them.
    `hub` and `device` are those of what a device was told, "" for doors.
    """

    key: str
    words: str
    by: str
    at: datetime
    until: datetime | None
    state: str
    why: str
    way: str
    answers: tuple[ShownAnswer, ...]
    done: int
    is_ended: bool
    may_be_ended: bool
    goes_again: bool
    left: tuple[str, ...]
    not_told: tuple[str, ...]
    hub: str
    device: str


def what(wish: Wish, there: Places) -> str:
    """Return an order in a few words, such as "Lock down: Front door"."""
    if wish.told is not None:
        return f"{wish.words}: {wish.told.command.device} of {wish.told.hub}"
    is_release = wish.kind is OrderKind.RELEASE
    place = there.name(wish.point) if is_release else there.door_name(wish.point)
    return f"{wish.words}: {place}"


def shown(order: Order, there: Places, now: int) -> ShownOrder:
    """Return how an order is."""
    answers = tuple(_answer(row) for row in order.given.all())
    state = OrderState(order.state)
    is_over = order.ended_at is not None or order.lives_until <= now
    told = {row.hub for row in order.given.all()}
    is_given = state is OrderState.GIVEN and bool(told)
    meant = there.hubs_of(order.wish) if is_given else frozenset[str]()
    waits = state in (OrderState.WAITING, OrderState.GIVING, OrderState.GIVEN)
    return ShownOrder(
        key=order.key,
        words=what(order.wish, there),
        by=order.by,
        at=moment(order.at),
        until=None if order.until is None else moment(order.until),
        state=_STATES[state],
        why=order.why,
        way=_WAYS[WayName(order.way)] if order.way else "",
        answers=answers,
        done=sum(answer.is_done for answer in answers),
        is_ended=order.ended_at is not None,
        may_be_ended=may_be_ended(order, now),
        goes_again=waits and not is_over and order.ending is None and not order.wish.goes_once,
        left=hubs_left(order, now),
        not_told=tuple(sorted(meant - told)),
        hub=order.hub,
        device=order.device,
    )


def moment(seconds: int) -> datetime:
    """Return a moment of Unix seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def _answer(row: Given) -> ShownAnswer:
    if not row.answer:
        return ShownAnswer(row.hub, NO_ANSWER, is_done=False)
    answer = Answered(row.answer)
    words = _ANSWERS[answer]
    return ShownAnswer(row.hub, f"{words}: {row.detail}" if row.detail else words, answer in DONE)
