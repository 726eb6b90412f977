"""Takes what an operator orders: judged, and kept with its act, before anything is given.

Laws:
1. An order and its act are one transaction. Only then a way may give it.
2. The same key is the same order: asked for again, it is the order that is there.
3. Of two who end one order at once, the second is told. So is who ends what is over. What goes
   beside it ends with it, each by its own way.
4. What [operators] does not allow is refused, whoever asks for it in whichever form.
5. For a door at more than one hub each hub has an order of its own, with an act, an end and answers
   of its own. All are kept, or none.
6. An operator orders at the pace that hubs take (`PACE`): what is beyond is refused with a
   sentence, and leaves no row.
7. An operator has at most LIVE_MAX orders that wait or stand. Ends are never refused for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from threading import Lock

from django.db import IntegrityError, transaction
from django.db.models import Q

from hubcore.policy.policy import Operator
from hubcore.timing.pace import Paces, Rate
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.orders.kept import end_unheard
from hubsite.orders.models import KEY_DIGITS, Order
from hubsite.orders.standing import ended_with, hubs_left, may_go_beside, standing
from hubsite.orders.words import DEVICE_SECONDS, TAKE_SECONDS, OrderKind, WayName, Wish, may
from hubsite.register.models import AccessPoint

EACH = Rate(burst=60, per_second=0.5)
ALL = Rate(burst=600, per_second=20)
OPERATORS_MAX = 256
LIVE_MAX = 500
NOT_YOURS = "This is not yours to order at this place."
NOT_BESIDE = (
    "It does not go by the bridge, too: each hub has it, it is over, or it goes there already."
)


class NotOrderedError(Exception):
    """Nothing was ordered: the sentence says why."""


class Pace:
    """How often operators order (law 6)."""

    def __init__(self, each: Rate = EACH) -> None:
        self._lock = Lock()
        self._paces = Paces(each=each, whole=ALL, sources_max=OPERATORS_MAX)

    def take(self, by: str) -> bool:
        """Tell whether this operator may order now."""
        with self._lock:
            return self._paces.take(by, time.monotonic())


def points_known() -> frozenset[int]:
    """Return the numbers of all access points."""
    return frozenset(AccessPoint.objects.values_list("number", flat=True))


def place(
    key: str,
    by: str,
    wish: Wish,
    operator: Operator,
    pace: Pace,
    now: int,
    more: Sequence[int] = (),
) -> Order:
    """Keep an order that opens or shuts doors, or tells a device something (law 1).

    Raise NotOrderedError.

    `more` are access points of the same door at other hubs (law 5).
    """
    known = points_known()
    if not all(may(operator, wish.kind, point, known) for point in (wish.point, *more)):
        raise NotOrderedError(NOT_YOURS)

    def make() -> Order:
        if wish.until is not None and wish.until <= now:
            raise NotOrderedError("That moment is over.")
        _take_turn(pace, by)
        _has_room(by, now)
        for point in more:
            _kept(_new(key_of_part(key, point), by, replace(wish, point=point), now))
        return _kept(_new(key, by, wish, now))

    return _once(key, make)


def key_of_part(key: str, part: int | str) -> str:
    """Return the key of an order that is asked for together with another one.

    `part` is its access point, or the order that it ends.
    """
    return sha256(f"{key} {part}".encode()).hexdigest()[:KEY_DIGITS]


def _new(key: str, by: str, wish: Wish, now: int) -> Order:
    made = Order(key=key, by=by, at=now, kind=wish.kind, on=True, point=wish.point)
    made.until = wish.until
    made.lives_until = now + TAKE_SECONDS if wish.until is None else wish.until
    if wish.told is not None:
        command = wish.told.command
        made.hub = wish.told.hub
        made.device = command.device
        made.verb = command.verb
        made.level = command.level
        made.lives_until = now + DEVICE_SECONDS
    return made


def place_end(
    key: str, by: str, of: str, seen: str, operator: Operator, pace: Pace, now: int
) -> Order:
    """Keep the end of an order; `seen` is the end that was known when it was asked for.

    Raise NotOrderedError.
    """

    def make() -> Order:
        _hold(of)
        ended = _to_end(of, operator, now)
        _take_turn(pace, by)
        for other in ended_with(ended, now):
            _ended(key_of_part(key, other.pk), by, other, other.ending_id or "", now)
        return _ended(key, by, ended, seen, now)

    return _once(key, make)


def place_beside(key: str, by: str, of: str, operator: Operator, pace: Pace, now: int) -> Order:
    """Keep an order that goes by the bridge, too, beside one by the engine.

    Raise NotOrderedError.
    """

    def make() -> Order:
        _hold(of)
        first = Order.objects.filter(pk=of).first()
        if first is None or not may_go_beside(first, now):
            raise NotOrderedError(NOT_BESIDE)
        if not may(operator, OrderKind(first.kind), first.point, points_known()):
            raise NotOrderedError(NOT_YOURS)
        _take_turn(pace, by)
        _has_room(by, now)
        made = _new(key, by, first.wish, now)
        made.way = WayName.BRIDGE
        made.beside = first
        return _kept(made)

    return _once(key, make)


def _ended(key: str, by: str, of: Order, seen: str, now: int) -> Order:
    """Keep the end of an order. Raise NotOrderedError."""
    made = Order(key=key, by=by, at=now, kind=of.kind, on=False, point=of.point, of=of)
    made.way = of.way
    made.lives_until = now + TAKE_SECONDS if made.wish.opens else of.until
    _kept(made)
    _end(of, made, seen, now)
    return made


def _hold(of: str) -> None:
    """Hold an order, and what goes beside it, in the same order for everybody."""
    pks = Order.objects.filter(Q(pk=of) | Q(beside=of) | Q(besides=of)).values_list("pk", flat=True)
    list(Order.objects.select_for_update().filter(pk__in=list(pks)).order_by("pk"))


def _once(key: str, make: Callable[[], Order]) -> Order:
    """Make an order, or return the one of this key; of two at once the first makes it (law 2)."""
    try:
        with transaction.atomic():
            return _there(key) or make()
    except IntegrityError:
        there = _there(key)
        if there is None:
            raise
        return there


def _there(key: str) -> Order | None:
    return Order.objects.filter(pk=key).first()


def _to_end(of: str, operator: Operator, now: int) -> Order:
    """Return the order that is to be ended, which is held. Raise NotOrderedError."""
    ended = Order.objects.select_related("ending").filter(pk=of, on=True).first()
    if ended is None or ended.until is None:
        raise NotOrderedError("There is no such order.")
    if not may(operator, OrderKind(ended.kind), ended.point, points_known()):
        raise NotOrderedError(NOT_YOURS)
    if ended.until <= now:
        raise NotOrderedError("This order is over by itself.")
    if ended.ended_at is not None and not hubs_left(ended, now):
        raise NotOrderedError(f"{ended.ended_by} has ended this already.")
    return ended


def _take_turn(pace: Pace, by: str) -> None:
    """Raise NotOrderedError (law 6)."""
    if not pace.take(by):
        raise NotOrderedError("You ordered too often. Wait some seconds, then order it again.")


def _has_room(by: str, now: int) -> None:
    """Raise NotOrderedError (law 7)."""
    if standing(now).filter(by=by).count() >= LIVE_MAX:
        raise NotOrderedError(f"{LIVE_MAX} orders of yours wait or stand. End some of them first.")


def _kept(made: Order) -> Order:
    made.save(force_insert=True)
    told = made.wish.told
    if told is None:
        kind = ActKind.ORDERED if made.on else ActKind.ORDER_ENDED
        facts = {"order": made.kind, "point": made.point, "until": made.until, "of": made.of_id}
    else:
        kind = ActKind.DEVICE_TOLD
        facts = {"hub": told.hub, "device": told.command.device, "level": told.command.level}
        facts |= {"verb": told.command.verb.name.lower()}
    if made.beside_id is not None:
        facts["beside"] = made.beside_id
    log.write(made.by, kind, about=f"order {made.key}", **facts)
    return made


def _end(ended: Order, made: Order, seen: str, now: int) -> None:
    """Let this be the end of an order. Raise NotOrderedError for the second of two (law 3)."""
    rows = Order.objects.filter(pk=ended.pk, ending=seen or None)
    if rows.update(ending=made) != 1:
        ended.refresh_from_db()
        by = ended.ending.by if ended.ending is not None else "Somebody"
        raise NotOrderedError(f"{by} has ended this while you had it open.")
    end_unheard(ended.pk, now)
