"""The rows of orders, as what gives them reads and changes them: short transactions.

Laws:
1. An order is marked as being given before it goes to a way, so that a power cut loses no word of
   what may have been done.
2. What opens leaves this server once, and so does what a device is told. Not given within
   GIVE_SECONDS, or lost on the way, it is not given again, and its row says so.
3. What shuts waits for a way, and goes again to each hub that has not answered or was busy or
   late, until it is over. An end that was asked for stops that at once.
4. An order belongs to a way once a hub may have it by that way, and no sooner. One that goes beside
   another belongs to the bridge. Where the engine could not be given the end of two that go beside
   each other, it gives its own no more all the same: that may stand at its hubs.
5. Of two orders about one place by one way the newer one counts, as it does at hubs.
6. The first answer of a hub to a message counts. A bridge tells a message again by itself: there
   the newest answer counts, until the hub has done it or refused.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import product
from operator import or_

from django.db import transaction
from django.db.models import Q

from hubsite.orders.letters import Letter, add_hubs, at_hubs, rows_due, whom, written
from hubsite.orders.models import DETAIL_LENGTH, WHY_LENGTH, Given, Order
from hubsite.orders.moved import MOVED
from hubsite.orders.standing import is_unheard, take_places, take_turn, was_done
from hubsite.orders.words import (
    DONE,
    OPEN,
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
NO_HUB_YET = "No hub is known yet. It is given as soon as there is one."
BEFORE_GIVEN = "It was ended before any hub had it."
ASKED_AT_ONCE = 64
NEWEST_ASKED = 32
"""So many of those that are asked about are the newest; the others take turns."""
_SHUTS = reduce(
    or_,
    (
        Q(kind=kind, on=on)
        for kind, on in product(OrderKind, (True, False))
        if not Wish(kind, on, None, None).goes_once
    ),
)


@dataclass(frozen=True, slots=True)
class Giving:
    """An order that is to be given now; `hub` is None for all hubs.

    `is_new` if no hub can have heard of it so far.
    """

    key: str
    by: str
    wish: Wish
    hub: str | None
    letters: tuple[Letter, ...]
    is_new: bool = False


@dataclass(frozen=True, slots=True)
class HubSaid:
    """What a hub has answered to a message."""

    hub: str
    message: str
    answer: Answered
    detail: str


def begin(way: WayName | None = None) -> None:
    """See to what was being given when this server, or this way, ended (laws 2 and 3)."""
    with transaction.atomic():
        giving = Order.objects.filter(state=OrderState.GIVING)
        for order in giving if way is None else giving.filter(way=way):
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
        fail_late(now)
        ways = Q(way=way) | Q(way="") if takes_new else Q(way=way)
        waiting = Order.objects.filter(ways, state=OrderState.WAITING, ending=None, ended_at=None)
        for order in waiting.exclude(pk__in=tried).order_by("at", "key"):
            meant = whom(order, hubs)
            if not meant and not _is_kept_by(way, order):
                _without_hub(order, hubs)
                continue
            rows = Order.objects.filter(pk=order.pk, state=OrderState.WAITING, ending=None)
            if rows.update(state=OrderState.GIVING, way=way) == 1:
                take_turn(order)
                return _giving(order, way, meant, now)
        return None


def fail_late(now: int) -> None:
    """Give up what was not given in time, and what is over (law 2)."""
    with transaction.atomic():
        waiting = Order.objects.filter(state=OrderState.WAITING, ending=None)
        for order in waiting.filter(at__lte=now - GIVE_SECONDS):
            if order.wish.goes_once:
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
            add_hubs(order, reference, hubs, now)
        if not order.wish.is_done_once:
            take_places(order, hubs, now)


def was_not_given(key: str, why: str, *, is_lost: bool, is_new: bool = False) -> None:
    """It has not gone; `is_lost` if it may have, all the same. `is_new`: see `Giving`."""
    with transaction.atomic():
        order = Order.objects.get(pk=key)
        if is_lost:
            _lost(order, f"{why} {LOST}" if order.wish.goes_once else why)
        elif order.wish.goes_once:
            _fail(order, why)
        else:
            _set(order, OrderState.WAITING, why)
            if is_new:
                order.given.all().delete()
                way = "" if order.beside_id is None else order.way
                Order.objects.filter(pk=key).update(way=way, turn=None)
                end_unheard(key, int(time.time()))


def end_unheard(key: str, now: int) -> None:
    """Let an order that no hub has be over, where its end was asked for (law 4)."""
    order = Order.objects.select_related("ending").get(pk=key)
    if order.ending is not None and is_unheard(order):
        _set(order, OrderState.FAILED, BEFORE_GIVEN)
        Order.objects.filter(pk=key).update(ended_at=now, ended_by=order.ending.by)
        _set(order.ending, OrderState.GIVEN, BEFORE_GIVEN)


def again(way: WayName, hubs: Collection[str], now: int) -> list[Giving]:
    """Return what goes again to hubs that have not done it, with new ids (law 3).

    At most ASKED_AT_ONCE, what was not given for the longest first.
    """
    lives = Order.objects.filter(_SHUTS, way=way, state=OrderState.GIVEN, lives_until__gt=now)
    with transaction.atomic():
        points = at_hubs()
        due: list[tuple[int, str, Order, list[Given]]] = []
        for order in lives.filter(ending=None, ended_at=None).prefetch_related("given"):
            rows = rows_due(order, whom(order, hubs, points), now, is_again=True)
            if rows:
                since = min(one for one, _ in rows)
                due.append((since, order.key, order, [row for _, row in rows]))
        due.sort(key=lambda one: one[:2])
        return [
            Giving(order.key, order.by, order.wish, None, written(rows))
            for _, _, order, rows in due[:ASKED_AT_ONCE]
        ]


def to_ask(way: WayName, now: int) -> list[str]:
    """Return the ids of orders by this way that some hub has not done yet, nor refused.

    The newest first. Where there are more than ASKED_AT_ONCE the older ones take turns.
    """
    given = Order.objects.filter(way=way, state=OrderState.GIVEN, ended_at=None)
    fresh = Q(lives_until__gt=now) | Q(at__gt=now - 2 * TAKE_SECONDS)
    open_ones = given.exclude(reference="").filter(fresh, given__answer__in=OPEN).distinct()
    found = list(open_ones.values_list("reference", flat=True))
    newest = found[:NEWEST_ASKED]
    older = found[NEWEST_ASKED:]
    turn = ASKED_AT_ONCE - NEWEST_ASKED
    begins = now * turn % len(older) if older else 0
    return newest + (older[begins:] + older[:begins])[:turn]


def record_answers(said: Iterable[HubSaid]) -> None:
    """Keep what hubs have answered (law 6)."""
    moved = 0
    now = int(time.time())
    counts = Q(answer="") | Q(order__way=WayName.BRIDGE, answer__in=OPEN)
    with transaction.atomic():
        for one in said:
            detail = one.detail[:DETAIL_LENGTH]
            rows = Given.objects.filter(counts, hub=one.hub, message=one.message)
            changed = rows.exclude(answer=one.answer, detail=detail)
            found = list(changed.select_related("order"))
            moved += changed.update(answer=one.answer, detail=detail, answered_at=now)
            if one.answer in DONE:
                for row in found:
                    was_done(row.order, one.hub)
        if moved:
            transaction.on_commit(MOVED.ring)


def _is_kept_by(way: WayName, order: Order) -> bool:
    """Tell whether this way keeps an order itself, for hubs that it has not seen yet."""
    return way is WayName.BRIDGE and order.point is None and not order.wish.goes_once


def _without_hub(order: Order, hubs: Collection[str]) -> None:
    """See to an order that no hub can be given now: what shuts all doors waits for the first."""
    if order.point is not None or order.wish.goes_once:
        _fail(order, _nobody(order, hubs))
    elif order.why != NO_HUB_YET:
        _set(order, OrderState.WAITING, NO_HUB_YET)


def _nobody(order: Order, hubs: Collection[str]) -> str:
    if not hubs:
        return "No hub is known. Nothing was done."
    if order.hub:
        return f"No hub {order.hub} is reached. Nothing was done."
    return f"No hub is known that has access point {order.point}. Nothing was done."


def _giving(order: Order, way: WayName, hubs: Sequence[str], now: int) -> Giving:
    hub = None if order.point is None and not order.hub else hubs[0]
    letters: tuple[Letter, ...] = ()
    if way is WayName.ENGINE:
        letters = written([row for _, row in rows_due(order, hubs, now, is_again=False)])
    return Giving(order.key, order.by, order.wish, hub, letters, is_new=is_unheard(order))


def _lost(order: Order, why: str) -> None:
    if order.wish.goes_once:
        _set(order, OrderState.UNCLEAR, why)
        _not_ended(order)
    else:
        _set(order, OrderState.WAITING, why)


def _fail(order: Order, why: str) -> None:
    _set(order, OrderState.FAILED, why)
    _not_ended(order)


def _not_ended(order: Order) -> None:
    """The end of an order was not given: that stands as before, but for law 4."""
    for ended in Order.objects.filter(ending=order):
        rows = Order.objects.filter(pk=ended.pk)
        if ended.way == WayName.ENGINE and ended.besides.exists():
            rows.update(ending=None, ended_at=order.at, ended_by=order.by)
        else:
            rows.update(ending=None)


def _set(order: Order, state: OrderState, why: str) -> None:
    Order.objects.filter(pk=order.pk).update(state=state, why=why[:WHY_LENGTH])
    transaction.on_commit(MOVED.ring)
