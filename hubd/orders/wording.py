"""An order of the backend in words and in facts: what is answered, and what a record tells."""

from __future__ import annotations

from hubcore.access.precedence import StandingOrder
from hubcore.backend.uplink.from_backend import Order
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.evidence.carried_orders import ALL_DOORS, ORDERS_CARRIED_MAX
from hubcore.evidence.facts import Detail, Fact
from hubd.doors.judge import ORDER_SECONDS_MAX
from hubd.orders.order_log import facts_of
from hubd.orders.standing import OrderSource

LATE = "it came too late"
LIVES_TOO_LONG = f"it would live for longer than {ORDER_SECONDS_MAX} s"
CLOCK_UNTRUSTED = "the hub does not trust its clock: somebody must vouch for it"
NO_SUCH_POINT = "this hub has no such access point"
NOT_ALLOWED = "the policy gives this operator no right to order that here"
UNREADABLE = "the policy cannot be read"
OVERRULED = "a higher order keeps the door shut"
TOO_MANY = f"more than {ORDERS_CARRIED_MAX} orders would stand"
NOT_RECORDED = "it could not be recorded in time, and does not hold"
NOT_RECORDED_BUT_HOLDS = "it holds, but could not be recorded: it will not outlast a restart"
TOO_OFTEN = "too many orders: the hub takes one in 2 s, and refuses one in 10 s"


def cannot_be_held(door: str) -> str:
    """Say that a door's movers cannot be driven for longer than their cap."""
    return (
        f"door {door} cannot be held open: each of its movers must be marked "
        "`continuous = true` in the hub's configuration, if its coil can stand that"
    )


def source_of(access_point: int) -> OrderSource:
    """Return who gave an order, by the number that stands for its place."""
    return OrderSource.BACKEND_FOR_ALL if access_point == ALL_DOORS else OrderSource.BACKEND


def point_of(order: Order) -> int:
    """Return the access point that an order names, ALL_DOORS where it names none."""
    return ALL_DOORS if order.access_point is None else order.access_point


def standing_of(order: Order) -> StandingOrder:
    """Return an order as it stands at a door."""
    return StandingOrder(order.order, source_of(point_of(order)))


def facts_of_order(order: Order) -> Detail:
    """Return what a record tells of an order."""
    facts = facts_of(order.order, bool(order.on), OrderSource.BACKEND, order.until)
    return {
        **facts,
        Fact.ASKER: order.by,
        Fact.OP: order.id,
        Fact.POINT: point_of(order),
    }


def facts_of_no(order: Order, outcome: OrderOutcome, why: str) -> Detail:
    """Return what a record tells of an order that does not hold."""
    return {
        **facts_of_order(order),
        Fact.ALLOWED: False,
        Fact.WHY: why,
        Fact.OUTCOME: outcome.name.lower(),
    }
