"""A site and its bridge, as documents."""

from __future__ import annotations

from hubbridge.local.report.hubs import HubsReport
from hubbridge.local.report.now import now_of
from hubbridge.local.report.orders import OrdersReport
from hubbridge.local.report.sources import (
    Backend,
    Document,
    OwnCertificate,
    Policy,
    Records,
    Site,
    States,
)
from hubbridge.local.report.things import ThingsReport, newest_alarms
from hubbridge.siteorders import GivesOrders
from hubcore.ports.clock import Clock
from hubcore.version import __version__


class SiteReport:
    """Makes the documents: `hubs`, `things` and `orders` make those of them."""

    def __init__(
        self,
        site: Site,
        states: States,
        records: Records,
        orders: GivesOrders,
        clock: Clock,
        backend: Backend | None = None,
        own: OwnCertificate | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`backend` None: this bridge has no way there. `policy` None: it is not asked for."""
        self._site = site
        self._states = states
        self._records = records
        self._orders = orders
        self._clock = clock
        self._backend = backend
        self._own = own
        self._policy = policy
        self.hubs = HubsReport(states, records, clock)
        self.things = ThingsReport(states, clock, site.started_at)
        self.orders = OrdersReport(orders, self.hubs)

    def status(self) -> Document:
        """Return how the site is: the bridge, each hub in a few words, the newest alarms."""
        return {
            "site": self._site.site,
            "bridge": self._site.bridge,
            "version": __version__,
            "since": self._site.started_at,
            "at": self._clock.wall(),
            "clock": self._clock.state().value,
            "disk_full": self._records.is_tight,
            "backend": self._way(),
            "certificate_ends": None if self._own is None else self._own.expires,
            "certificate_next": None if self._own is None else str(self._own.phase),
            "policy_version": None if self._policy is None else self._policy.version or None,
            "policy_coming": None if self._policy is None else self._policy.coming or None,
            "used_bytes": sum(self._records.used.values()),
            "budget_bytes": self._site.budget_bytes,
            "orders_by": self._orders.why_not() or "this bridge",
            "orders_here": not self._orders.why_not(),
            "hubs": self.hubs.all(),
            "orders": len(self._orders.shown()),
            "orders_unkept": self._orders.unkept,
            "alarms": newest_alarms(self._states.all()),
        }

    def now(self) -> Document:
        """Return what a program needs that looks again and again (`report.now`)."""
        at = self._clock.wall()
        return {
            "bridge": self._site.bridge,
            "since": self._site.started_at,
            "at": at,
            **now_of(self.hubs.names(), self._states.all(), at),
        }

    def _way(self) -> Document | None:
        if self._backend is None:
            return None
        return {
            "phase": str(self._backend.phase),
            "why": self._backend.why,
            "gateway": self._backend.gateway,
            "heard_seconds": self._backend.age_seconds(),
        }
