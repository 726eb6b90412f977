"""Takes what an operator orders: judged, and kept with its act, before anything is given.

Laws:
1. An order and its act are one transaction. Only then a way may give it.
2. The same key is the same order: asked for again, it is the order that is there.
3. Of two who end one order at once, the second is told. So is who ends what is over.
4. What [operators] does not allow is refused, whoever asks for it in whichever form.
5. For a door at more than one hub each hub has an order of its own, with an act, an end and answers
   of its own. All are kept, or none.
6. An operator orders at the pace that hubs take (`PACE`): what is beyond is refused with a
   sentence, and leaves no row.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256
from threading import Lock

from django.db import IntegrityError, transaction

from hubcore.policy.policy import Operator
from hubcore.timing.pace import Paces, Rate
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.orders.kept import end_unheard
from hubsite.orders.models import KEY_DIGITS, Order
from hubsite.orders.standing import hubs_left
from hubsite.orders.words import DEVICE_SECONDS, TAKE_SECONDS, OrderKind, Wish, may
from hubsite.register.models import AccessPoint

EACH = Rate(burst=60, per_second=0.5)
ALL = Rate(burst=600, per_second=20)
OPERATORS_MAX = 256


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
        raise NotOrderedError("This is not yours to order at this place.")

    def make() -> Order:
        if wish.until is not None and wish.until <= now:
            raise NotOrderedError("That moment is over.")
        _take_turn(pace, by)
        for point in more:
            _kept(_new(key_of_part(key, point), by, replace(wish, point=point), now))
        return _kept(_new(key, by, wish, now))

    return _once(key, make)


def key_of_part(key: str, point: int) -> str:
    """Return the key of the order for an access point that is asked for beside another one."""
    return sha256(f"{key} {point}".encode()).hexdigest()[:KEY_DIGITS]


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
        ended, until = _to_end(of, operator, now)
        _take_turn(pace, by)
        made = Order(key=key, by=by, at=now, kind=ended.kind, on=False, point=ended.point, of=ended)
        made.way = ended.way
        made.lives_until = now + TAKE_SECONDS if made.wish.opens else until
        _kept(made)
        _end(ended, made, seen, now)
        return made

    return _once(key, make)


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


def _to_end(of: str, operator: Operator, now: int) -> tuple[Order, int]:
    """Return the order that is to be ended, held until then, and its own end.

    Raise NotOrderedError.
    """
    rows = Order.objects.select_for_update(of=("self",)).select_related("ending")
    ended = rows.filter(pk=of, on=True).first()
    if ended is None or ended.until is None:
        raise NotOrderedError("There is no such order.")
    if not may(operator, OrderKind(ended.kind), ended.point, points_known()):
        raise NotOrderedError("This is not yours to order at this place.")
    if ended.until <= now:
        raise NotOrderedError("This order is over by itself.")
    if ended.ended_at is not None and not hubs_left(ended, now):
        raise NotOrderedError(f"{ended.ended_by} has ended this already.")
    return ended, ended.until


def _take_turn(pace: Pace, by: str) -> None:
    """Raise NotOrderedError (law 6)."""
    if not pace.take(by):
        raise NotOrderedError("You ordered too often. Wait some seconds, then order it again.")


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
