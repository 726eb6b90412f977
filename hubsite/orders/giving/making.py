"""Makes what gives orders, as the configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubcore.backend.uplink.words import ActOutcome
from hubsite.config import Site
from hubsite.hubs.engine import OrderAnswer
from hubsite.orders import kept
from hubsite.orders.giving.bybridge import BridgeWay
from hubsite.orders.giving.byengine import EngineWay
from hubsite.orders.giving.desk import OrderDesk
from hubsite.orders.giving.ways import OrderWay
from hubsite.orders.kept import HubSaid
from hubsite.orders.words import Answered

_OF_DEVICES = {
    ActOutcome.CONFIRMED: Answered.TAKEN,
    ActOutcome.FAILED: Answered.FAILED,
    ActOutcome.TIMEOUT: Answered.UNCLEAR,
    ActOutcome.UNKNOWN: Answered.UNCLEAR,
    ActOutcome.REFUSED: Answered.REFUSED,
}
"""What a hub says of a device. Only the device's own proof is TAKEN."""


def make_desk(site: Site, office: Any) -> OrderDesk | None:
    """Return what gives orders, None where the configuration has no way to do so.

    By the engine first: there a hub's record names the operator himself.
    """
    ways: list[OrderWay] = []
    engine = site.config.engine
    if engine is not None and engine.orders and office is not None:
        ways.append(EngineWay(site.config.site, engine, office.signer.issuer))
    if site.config.bridge is not None:
        ways.append(BridgeWay(site.place(site.config.bridge.socket)))
    return OrderDesk(ways) if ways else None


def keep_orders(said: Sequence[OrderAnswer]) -> None:
    """Keep what hubs have answered by the engine."""
    kept.record_answers([_said(one) for one in said])


def _said(one: OrderAnswer) -> HubSaid:
    if isinstance(one.outcome, ActOutcome):
        answer = _OF_DEVICES[one.outcome]
    else:
        answer = Answered(one.outcome.name.lower())
    return HubSaid(one.hub, one.message.hex(), answer, one.detail)
