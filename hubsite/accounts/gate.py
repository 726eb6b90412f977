"""How often somebody may try to sign in: slowed, and never locked out by a stranger.

Laws:
1. An address has a pace of its own, for all accounts together. IPv6 counts by its network of /64.
2. A browser that has signed in before has another pace, of its own. What strangers try costs it
   nothing, wherever they are.
3. No account has a pace: its name is no secret, so a stranger would keep its owner out.
4. A guess costs a hash of a password. At most AT_ONCE are made at a time, whoever asks.
5. Memory is bounded (`hubcore.timing.pace`).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from hubcore.timing.pace import Paces, Rate

AN_ADDRESS = Rate(burst=10, per_second=0.1)
ALL_ADDRESSES = Rate(burst=200, per_second=5)
A_BROWSER = Rate(burst=10, per_second=0.1)
ALL_BROWSERS = Rate(burst=1000, per_second=100)
SOURCES_MAX = 4096
WAIT_SECONDS = 10
"""After so long there is a try again."""
AT_ONCE = 2
BUSY_SECONDS = 5.0
_NETWORK_BITS = 64


class Gate:
    """Judges tries. `monotonic` gives seconds."""

    def __init__(
        self,
        an_address: Rate = AN_ADDRESS,
        all_addresses: Rate = ALL_ADDRESSES,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._lock = Lock()
        self._hashing = BoundedSemaphore(AT_ONCE)
        self._addresses = Paces(each=an_address, whole=all_addresses, sources_max=SOURCES_MAX)
        self._browsers = Paces(each=A_BROWSER, whole=ALL_BROWSERS, sources_max=SOURCES_MAX)

    def lets(self, address: str, browser: str | None) -> bool:
        """Tell whether a try from there may be judged; `browser` is one that is known, or None."""
        now = self._monotonic()
        with self._lock:
            if browser is not None and self._browsers.take(browser, now):
                return True
            return self._addresses.take(network_of(address), now)

    @contextmanager
    def hashing(self) -> Iterator[bool]:
        """Hold a place among those that hash; False when there was none in time (law 4)."""
        has_place = self._hashing.acquire(timeout=BUSY_SECONDS)
        try:
            yield has_place
        finally:
            if has_place:
                self._hashing.release()


def network_of(address: str) -> str:
    """Return what counts as one address (law 1)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _NETWORK_BITS), strict=False))
