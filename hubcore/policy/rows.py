"""The rows of a policy as bytes: how its document and the tables of a hub hold them.

Laws:
1. What is read is checked while it is read. A row that makes no sense is refused as a whole.
2. What was read is written again as the same bytes.

Shapes: docs/protocol.cddl.
"""

from __future__ import annotations

from typing import Any

from hubcore.access.cards import DIGEST_BYTES, Card
from hubcore.access.factors import ALL_FACTORS, ALTERNATIVES_MAX, DEMANDS_MAX, Demand, Factor
from hubcore.access.grant import ACCESS_POINT_MAX, SCOPE_ITEMS, read_scope, write_scope
from hubcore.access.passback import TIMED_SECONDS_MAX, PassbackKind, PassbackRule
from hubcore.calendar.codec import Take
from hubcore.codec.cbor import Cursor
from hubcore.codec.cwt import NAME_BYTES
from hubcore.errors import FrameError, ProofError
from hubcore.policy.policy import (
    ALL_RIGHTS,
    POINTS_AN_OPERATOR,
    HoldOpen,
    Operator,
    OperatorRight,
    PointRules,
)

NUMBER_MAX = (1 << 63) - 1
"""Of versions, times, schedules and access points: what a database can hold."""
AREA_MAX = 0xFFFF
SCOPE_BYTES = 4 * SCOPE_ITEMS
DEVICE_ID_BYTES = 32
DEVICES_A_GROUP = 256


def write_card(card: Card) -> list[Any]:
    """Return a card as CBOR has it."""
    return [
        card.digest,
        card.credential,
        card.not_before,
        card.expires,
        card.pin,
        card.duress,
        write_scope(card.access),
    ]


def read_card(cursor: Cursor, take: Take) -> Card:
    """Read a card. Raise FrameError."""
    _items(cursor, 7, "a card")
    digest = cursor.string(DIGEST_BYTES, DIGEST_BYTES)
    credential = cursor.text(1, NAME_BYTES)
    not_before = cursor.uint(NUMBER_MAX)
    expires = cursor.uint(NUMBER_MAX)
    pin = cursor.string_or_null(DIGEST_BYTES, DIGEST_BYTES)
    duress = cursor.string_or_null(DIGEST_BYTES, DIGEST_BYTES)
    if pin is None and duress is not None:
        raise FrameError("a card with a duress PIN and no PIN")
    if pin is not None and pin == duress:
        raise FrameError("a card whose PIN is its duress PIN")
    try:
        access = read_scope(cursor.string(1, SCOPE_BYTES))
    except ProofError as error:
        raise FrameError(str(error)) from error
    take(sum(1 + len(entry.rules) for entry in access))
    return Card(
        digest=digest,
        credential=credential,
        not_before=not_before,
        expires=expires,
        access=access,
        pin=pin,
        duress=duress,
    )


def write_point(rules: PointRules) -> list[Any]:
    """Return the rules of an access point as CBOR has them."""
    hold = rules.hold_open
    return [
        None if hold is None else [hold.schedule, int(hold.first_person_in)],
        [_write_demand(demand) for demand in rules.demands],
        None if rules.passback is None else _write_passback(rules.passback),
    ]


def _write_demand(demand: Demand) -> list[Any]:
    alternatives = [int(factors) for factors in demand.alternatives]
    return [demand.schedule, alternatives, demand.persons]


def _write_passback(rule: PassbackRule) -> list[int]:
    return [int(rule.kind), rule.from_area, rule.to_area, rule.seconds]


def read_point(cursor: Cursor, take: Take) -> PointRules:
    """Read the rules of an access point. Raise FrameError or ValueError."""
    _items(cursor, 3, "the rules of an access point")
    hold_open = _read_hold_open(cursor)
    count = _count(cursor, take, DEMANDS_MAX)
    demands = tuple(_read_demand(cursor, take) for _ in range(count))
    return PointRules(hold_open, demands, _read_passback(cursor))


def _read_hold_open(cursor: Cursor) -> HoldOpen | None:
    items = cursor.array_or_null()
    if items is None:
        return None
    if items != 2:
        raise FrameError("hold open is [schedule, first person in]")
    schedule = cursor.uint(NUMBER_MAX)
    return HoldOpen(schedule, bool(cursor.uint(1)))


def _read_demand(cursor: Cursor, take: Take) -> Demand:
    _items(cursor, 3, "a demand")
    schedule = cursor.uint_or_null(NUMBER_MAX)
    count = _count(cursor, take, ALTERNATIVES_MAX)
    alternatives = tuple(Factor(cursor.uint(int(ALL_FACTORS))) for _ in range(count))
    return Demand(alternatives, persons=cursor.uint(2), schedule=schedule)


def _read_passback(cursor: Cursor) -> PassbackRule | None:
    items = cursor.array_or_null()
    if items is None:
        return None
    if items != 4:
        raise FrameError("a passback rule is [kind, from, to, seconds]")
    kind = PassbackKind(cursor.uint(max(PassbackKind)))
    from_area = cursor.uint(AREA_MAX)
    to_area = cursor.uint(AREA_MAX)
    return PassbackRule(kind, from_area, to_area, cursor.uint(TIMED_SECONDS_MAX))


def write_operator(operator: Operator) -> list[Any]:
    """Return an operator's rights as CBOR has them."""
    return [int(operator.rights), sorted(operator.access_points)]


def read_operator(cursor: Cursor, take: Take) -> Operator:
    """Read an operator's rights. Raise FrameError."""
    _items(cursor, 2, "an operator's rights")
    rights = OperatorRight(cursor.uint(int(ALL_RIGHTS)))
    count = _count(cursor, take, POINTS_AN_OPERATOR)
    points: list[int] = []
    for _ in range(count):
        point = cursor.uint(ACCESS_POINT_MAX)
        if points and point <= points[-1]:
            raise FrameError("access points unsorted or repeated")
        points.append(point)
    return Operator(rights, frozenset(points))


def read_group(cursor: Cursor, take: Take) -> tuple[str, ...]:
    """Read the device ids of a group. Raise FrameError."""
    count = _count(cursor, take, DEVICES_A_GROUP)
    return tuple(cursor.text(1, DEVICE_ID_BYTES) for _ in range(count))


def _items(cursor: Cursor, wanted: int, what: str) -> None:
    found = cursor.array()
    if found != wanted:
        raise FrameError(f"{what} has {found} items, not {wanted}")


def _count(cursor: Cursor, take: Take, most: int) -> int:
    count = cursor.array()
    if count > most:
        raise FrameError(f"a list of {count} items, more than {most}")
    return take(count)
