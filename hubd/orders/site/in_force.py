"""What of the site's orders is in force now: at the doors, and for credentials.

Laws:
1. What stands is worked out from all that is kept, at each change.
2. A disabled credential opens nothing until its end. While the clock is not trusted nobody knows
   whether that has come: then it opens nothing.
3. A guest's grant is known by the digest of its document, and only while his order stands. So an
   older grant of the same id lets nobody in, by whichever path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hubcore.access.precedence import StandingOrder, opens
from hubcore.backend.uplink.words import ORDERS_OF_BACKENDS
from hubcore.codec.cose import VerifyKey
from hubcore.ports.clock import Clock
from hubd.orders.site.held import Held
from hubd.orders.standing import OrderSource, StandingOrders


class SiteInForce:
    """Lets stand what is kept of the site's orders, and nothing else of the site."""

    def __init__(
        self, standing: StandingOrders, may_hold: Callable[[str], bool], clock: Clock
    ) -> None:
        self._standing = standing
        self._may_hold = may_hold
        self._clock = clock
        self._disabled: Mapping[str, int] = {}
        self._guest_keys: Mapping[bytes, VerifyKey] = {}
        self._guests_until: Mapping[bytes, int] = {}

    def is_disabled(self, credential: str) -> bool:
        """Tell whether the site has disabled a credential."""
        until = self._disabled.get(credential)
        return until is not None and not self._is_over(until)

    def guest_keys(self) -> Mapping[bytes, VerifyKey]:
        """Return who has signed the guests' grants, by SHA-256 of each document."""
        return self._guest_keys

    def is_guest(self, digest: bytes) -> bool:
        """Tell whether the order stands that brought the grant with this SHA-256."""
        until = self._guests_until.get(digest)
        return until is not None and not self._is_over(until)

    def now(self) -> int | None:
        """Return the time in Unix seconds, None while the clock is not trusted."""
        return int(self._clock.wall()) if self._standing.time_is_trusted() else None

    def put(self, held: Held) -> set[str]:
        """Put what is kept in force; return the doors at which something may have changed."""
        self._disabled = held.disabled()
        guests = held.guests(self.now())
        grants = {one.guest.grant.site_digest: one for one in guests}
        self._guest_keys = {digest: one.key for digest, one in grants.items()}
        self._guests_until = {digest: one.guest.grant.expires for digest, one in grants.items()}
        wanted = held.at_doors(self._standing.doors_of, self.now())
        changed = set[str]()
        for door in self._standing.points:
            for order in ORDERS_OF_BACKENDS:
                until = wanted.get((door, order))
                if opens(order) and not self._may_hold(door):
                    until = None
                if self._put(door, StandingOrder(order, OrderSource.SITE), until):
                    changed.add(door)
        return changed

    def _put(self, door: str, order: StandingOrder, until: int | None) -> bool:
        if until is None or self._is_over(until):
            return self._standing.end(door, order)
        self._standing.put(door, order, until)
        return True

    def _is_over(self, until: int) -> bool:
        now = self.now()
        return now is not None and until <= now
