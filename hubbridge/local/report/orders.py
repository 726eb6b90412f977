"""What the site has ordered, and what hubs have answered, as documents."""

from __future__ import annotations

from collections.abc import Collection

from hubbridge.local.report.hubs import HubsReport
from hubbridge.local.report.sources import THOUSANDTHS, Document
from hubbridge.local.report.words import said
from hubbridge.rules.papers import Paper
from hubbridge.siteorders import GivesOrders
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.site.order import SiteOrder

UNANSWERED_SHOWN = 32
"""Of each order in a list of all."""


class OrdersReport:
    """Tells of orders."""

    def __init__(self, orders: GivesOrders, hubs: HubsReport) -> None:
        self._orders = orders
        self._hubs = hubs

    def standing(self) -> Document:
        """Return what the site has ordered and has not ended."""
        connected = self._hubs.connected()
        return {"orders": [self._order(one.order, connected) for one in self._orders.shown()]}

    def answers(self, paper: Paper) -> Document:
        """Return what each hub has answered to one order."""
        connected = self._hubs.connected()
        meant = self._meant(paper.order, paper.answers)
        hubs = [
            {
                "hub": hub,
                "connected": hub in connected,
                "answer": _answer(paper.answers.get(hub)),
                "detail": paper.details.get(hub, ""),
            }
            for hub in meant
        ]
        waiting = [hub for hub in meant if hub not in paper.answers and hub in connected]
        return {
            **_what(paper.order),
            "hubs": hubs,
            "answered": len(paper.answers),
            "complete": not waiting,
            "kept": self._orders.is_kept(paper.order.id),
            "ends_nothing": self._orders.ends_nothing(paper.order.id),
        }

    def is_complete(self, paper: Paper) -> bool:
        """Tell whether each hub that is there has answered."""
        connected = self._hubs.connected()
        return all(hub in paper.answers for hub in connected if _is_for(paper.order, hub))

    def _meant(self, order: SiteOrder, answers: Collection[str]) -> list[str]:
        return [hub for hub in self._hubs.names(answers) if _is_for(order, hub)]

    def _order(self, order: SiteOrder, connected: Collection[str]) -> Document:
        paper = self._orders.find(order.id)
        answers = {} if paper is None else paper.answers
        taken = [hub for hub, outcome in answers.items() if outcome is OrderOutcome.TAKEN]
        missing = [hub for hub in self._meant(order, answers) if hub not in taken]
        return {
            **_what(order),
            "taken": len(taken),
            "missing": len(missing),
            "missing_connected": len([hub for hub in missing if hub in connected]),
            "missing_hubs": missing[:UNANSWERED_SHOWN],
        }


def _is_for(order: SiteOrder, hub: str) -> bool:
    return order.hub in (None, hub)


def _what(order: SiteOrder) -> Document:
    return {
        "order": order.id.hex(),
        "what": said(order.what),
        "hub": order.hub,
        "by": order.by,
        "given_at": order.issued_ms / THOUSANDTHS,
        "until": order.until,
    }


def _answer(outcome: OrderOutcome | None) -> str | None:
    return None if outcome is None else outcome.name.lower()
