"""The rows of orders, as what gives them reads and changes them: short transactions.

Laws:
1. An order is marked as being given before it goes to a way, so that a power cut loses no word of
   what may have been done.
2. What opens is given once. Not given within GIVE_SECONDS, or lost on the way, it is not given
   again, and its row says so.
3. What shuts waits for its way, and goes again to each hub that has not answered or was busy or
   late, until it is over. An end that was asked for stops that at once.
4. Of two orders about one place by one way the newer one counts, as it does at hubs.
5. The first answer of a hub to a message counts.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q

from hubcore.backend.uplink.words import ID_BYTES
from hubsite.acts.bell import Bell
from hubsite.orders.models import DETAIL_LENGTH, WHY_LENGTH, Given, Order
from hubsite.orders.places import hub_of
from hubsite.orders.words import (
    AGAIN,
    TAKE_SECONDS,
    Answered,
    OrderKind,
    OrderState,
    WayName,
    Wish,
)

GIVE_SECONDS = 10
LOST = "It was being given when this server or its way ended. It may have been done."
OVER = "It was over before a way to the hubs was there."
NO_WAY = "No way to the hubs was there in time. Nothing was done."
ASKED_AT_ONCE = 64
MOVED = Bell()
"""Rings when an order has moved: given, or answered."""


@dataclass(frozen=True, slots=True)
class Letter:
    """An order for one hub: the id that its answer will name, and until when it must be taken."""

    hub: str
    message: bytes
    expires_at: int


@dataclass(frozen=True, slots=True)
class Giving:
    """An order that is to be given now; `hub` is None for all hubs."""

    key: str
    by: str
    wish: Wish
    hub: str | None
    letters: tuple[Letter, ...]


@dataclass(frozen=True, slots=True)
class HubSaid:
    """What a hub has answered to a message."""

    hub: str
    message: str
    answer: Answered
    detail: str


def begin() -> None:
    """See to what was being given when this server ended (laws 2 and 3)."""
    with transaction.atomic():
        for order in Order.objects.filter(state=OrderState.GIVING):
            _lost(order, LOST)


def next_to_give(
    way: WayName,
    takes_new: bool,
    hubs: Collection[str],
    now: int,
    tried: Collection[str] = (),
) -> Giving | None:
    """Take the oldest order that waits for this way, and mark it (law 1).

    `takes_new` whether the way takes orders that have none yet; `hubs` are those that it reaches;
    `tried` are keys that had their turn.
    """
    with transaction.atomic():
        ways = Q(way=way) | Q(way="") if takes_new else Q(way=way)
        waiting = Order.objects.filter(ways, state=OrderState.WAITING, ending=None)
        order = waiting.exclude(pk__in=tried).order_by("at", "key").first()
        if order is None:
            return None
        whom = _whom(order, hubs)
        if not whom:
            _fail(order, _nobody(order, hubs))
            return None
        rows = Order.objects.filter(pk=order.pk, state=OrderState.WAITING, ending=None)
        if rows.update(state=OrderState.GIVING, way=way) != 1:
            return None
        return _giving(order, way, whom, now)


def fail_late(now: int) -> None:
    """Give up what was not given in time, and what is over (law 2)."""
    with transaction.atomic():
        waiting = Order.objects.filter(state=OrderState.WAITING, ending=None)
        for order in waiting.filter(at__lte=now - GIVE_SECONDS):
            if order.wish.opens:
                _fail(order, NO_WAY)
            elif order.lives_until <= now:
                _fail(order, OVER)


def was_given(key: str, reference: str, hubs: Collection[str], now: int) -> None:
    """An order has gone. `reference` is the way's own id for it, and these hubs are meant.

    "" where each letter has an id of its own.
    """
    with transaction.atomic():
        order = Order.objects.get(pk=key)
        _set(order, OrderState.GIVEN, "")
        if reference:
            Order.objects.filter(pk=key).update(reference=reference)
            _add_hubs(order, reference, hubs, now)
        if order.wish.kind is not OrderKind.RELEASE:
            _take_places(order, now)


def was_not_given(key: str, why: str, is_lost: bool) -> None:
    """It has not gone; `is_lost` if it may have, all the same."""
    with transaction.atomic():
        order = Order.objects.get(pk=key)
        if is_lost:
            _lost(order, f"{why} {LOST}" if order.wish.opens else why)
        elif order.wish.opens:
            _fail(order, why)
        else:
            _set(order, OrderState.WAITING, why)


def again(way: WayName, hubs: Collection[str], now: int) -> list[Giving]:
    """Return what goes again to hubs that have not done it, with new ids (law 3)."""
    lives = Order.objects.filter(way=way, state=OrderState.GIVEN, lives_until__gt=now)
    found = []
    for order in lives.filter(ending=None, ended_at=None)[:ASKED_AT_ONCE]:
        if order.wish.opens:
            continue
        with transaction.atomic():
            letters = _letters(order, _whom(order, hubs), now, is_again=True)
        if letters:
            found.append(Giving(order.key, order.by, order.wish, None, letters))
    return found


def to_ask(way: WayName, now: int) -> list[str]:
    """Return the ids of orders by this way that some hub has not answered, the newest first."""
    given = Order.objects.filter(way=way, state=OrderState.GIVEN, ended_at=None)
    fresh = Q(lives_until__gt=now) | Q(at__gt=now - 2 * TAKE_SECONDS)
    open_ones = given.exclude(reference="").filter(fresh, given__answer="").distinct()
    return list(open_ones.values_list("reference", flat=True)[:ASKED_AT_ONCE])


def record_answers(said: Iterable[HubSaid]) -> None:
    """Keep what hubs have answered (law 5)."""
    moved = 0
    now = int(time.time())
    with transaction.atomic():
        for one in said:
            rows = Given.objects.filter(hub=one.hub, message=one.message, answer="")
            detail = one.detail[:DETAIL_LENGTH]
            moved += rows.update(answer=one.answer, detail=detail, answered_at=now)
        if moved:
            transaction.on_commit(MOVED.ring)


def _whom(order: Order, hubs: Collection[str]) -> tuple[str, ...]:
    """Return the hubs that are meant, none where none is known."""
    if order.point is None:
        return tuple(sorted(hubs))
    hub = hub_of(order.point, hubs)
    return (hub,) if hub else ()


def _nobody(order: Order, hubs: Collection[str]) -> str:
    if not hubs:
        return "No hub is known. Nothing was done."
    return f"No hub is known that has access point {order.point}. Nothing was done."


def _giving(order: Order, way: WayName, hubs: Sequence[str], now: int) -> Giving:
    hub = None if order.point is None else hubs[0]
    letters: tuple[Letter, ...] = ()
    if way is WayName.ENGINE:
        letters = _letters(order, hubs, now, is_again=False)
    return Giving(order.key, order.by, order.wish, hub, letters)


def _letters(order: Order, hubs: Iterable[str], now: int, *, is_again: bool) -> tuple[Letter, ...]:
    """Make a letter for each hub that has not done it, in a transaction that is open."""
    there = {row.hub: row for row in order.given.all()}
    rows = [_row(order, hub, there.get(hub), now, is_again) for hub in hubs]
    letters = [row for row in rows if row is not None]
    for row in letters:
        row.save()
    return tuple(Letter(row.hub, bytes.fromhex(row.message), row.expires_at) for row in letters)


def _row(order: Order, hub: str, there: Given | None, now: int, is_again: bool) -> Given | None:
    """Return the row by which a hub is given an order now; None: it is not given now.

    A letter that lives goes as it was, once its way was lost: a hub does one id once.
    """
    if there is None:
        return Given(order=order, hub=hub, message=order.key, expires_at=now + TAKE_SECONDS)
    if there.expires_at > now:
        return None if is_again or there.answer else there
    if there.answer not in ("", *AGAIN):
        return None
    there.message = secrets.token_hex(ID_BYTES)
    there.expires_at = now + TAKE_SECONDS
    there.answer = ""
    return there


def _add_hubs(order: Order, reference: str, hubs: Collection[str], now: int) -> None:
    """Have a row for each hub that is meant, under the id that its answer names."""
    order.given.filter(answer="").update(message=reference)
    expires_at = now + TAKE_SECONDS
    for hub in sorted(set(hubs) - set(order.given.values_list("hub", flat=True))):
        Given.objects.create(order=order, hub=hub, message=reference, expires_at=expires_at)


def _take_places(order: Order, now: int) -> None:
    """Let an order, or an end, take the place of those that it goes before (law 4)."""
    same = Order.objects.filter(kind=order.kind, point=order.point, way=order.way, on=True)
    older = same.filter(ended_at=None, at__lte=order.at).exclude(pk=order.pk)
    older.update(ended_at=now, ended_by=order.by)


def _lost(order: Order, why: str) -> None:
    if order.wish.opens:
        _set(order, OrderState.UNCLEAR, why)
        _not_ended(order)
    else:
        _set(order, OrderState.WAITING, why)


def _fail(order: Order, why: str) -> None:
    _set(order, OrderState.FAILED, why)
    _not_ended(order)


def _not_ended(order: Order) -> None:
    """The end of an order was not given: that stands as before."""
    Order.objects.filter(ending=order).update(ending=None)


def _set(order: Order, state: OrderState, why: str) -> None:
    Order.objects.filter(pk=order.pk).update(state=state, why=why[:WHY_LENGTH])
    transaction.on_commit(MOVED.ring)
