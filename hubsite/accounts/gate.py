"""How often somebody may try to sign in: slowed, and never locked out by a stranger.

Laws:
1. An address has a pace of its own, for all accounts together. IPv6 counts by its network of /64.
2. A browser that has signed in before has another pace, of its own. What strangers try costs it
   nothing, wherever they are.
3. No account has a pace for passwords: its name is no secret, so a stranger would keep its owner
   out. For codes it has one (CODES), that only somebody with its password can use up; there, too, a
   browser that is known has its own. A code that was right costs nothing.
4. A guess costs a hash of a password. Strangers have one place for that and do not wait for it;
   known browsers have another one. So strangers hold no thread and no place of theirs.
5. All strangers together try less often than a small machine can hash (ALL_ADDRESSES).
6. Refused tries for tokens have a pace of their own, by address. A token that is there has another
   one, of its own: so strangers, wherever they are, keep no phone from its new tokens.
7. The phones of a person come back at one pace, and keep passkeys at another such pace, however
   many phones and passkeys there are: each return ends a credential for ever, and every later
   policy names it. Whoever proved one of that person's can use it up, and nobody else.
8. Memory is bounded (`hubcore.timing.pace`).
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock

from hubcore.timing.pace import Paces, Rate

AN_ADDRESS = Rate(burst=10, per_second=0.1)
ALL_ADDRESSES = Rate(burst=40, per_second=2)
A_BROWSER = Rate(burst=10, per_second=0.1)
ALL_BROWSERS = Rate(burst=1000, per_second=100)
CODE_MINUTES = 10
CODES = Rate(burst=5, per_second=1 / (60 * CODE_MINUTES))
"""Wrong codes after a right password: of a million, three count at a time."""
ALL_CODES = Rate(burst=1000, per_second=100)
TOKENS_OF_AN_ADDRESS = Rate(burst=20, per_second=0.2)
"""More than a server has threads: phones that ask at once are not refused for one another."""
A_TOKEN = Rate(burst=20, per_second=0.2)
ALL_TOKENS = Rate(burst=200, per_second=20)
RETURNS = Rate(burst=5, per_second=1 / (4 * 3600))
"""Of one person: five at once, then six a day. It lies in memory, as all of these."""
ALL_RETURNS = Rate(burst=1000, per_second=10)
SOURCES_MAX = 4096
WAIT_SECONDS = 10
"""After so long there is a try again."""
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
        self._of_strangers = BoundedSemaphore(1)
        self._of_known = BoundedSemaphore(1)
        self._addresses = Paces(each=an_address, whole=all_addresses, sources_max=SOURCES_MAX)
        self._browsers = Paces(each=A_BROWSER, whole=ALL_BROWSERS, sources_max=SOURCES_MAX)
        self._codes = Paces(each=CODES, whole=ALL_CODES, sources_max=SOURCES_MAX)
        self._returns = Paces(each=RETURNS, whole=ALL_RETURNS, sources_max=SOURCES_MAX)
        self._keeps = Paces(each=RETURNS, whole=ALL_RETURNS, sources_max=SOURCES_MAX)
        self._tokens = Paces(each=TOKENS_OF_AN_ADDRESS, whole=ALL_TOKENS, sources_max=SOURCES_MAX)
        self._known = Paces(each=A_TOKEN, whole=ALL_BROWSERS, sources_max=SOURCES_MAX)

    def lets(self, address: str, browser: str | None) -> bool:
        """Tell whether a try from there may be judged; `browser` is one that is known, or None."""
        now = self._monotonic()
        with self._lock:
            if browser is not None and self._browsers.take(browser, now):
                return True
            return self._addresses.take(network_of(address), now)

    def lets_code(self, name: str, browser: str | None) -> bool:
        """Tell whether a code may be judged after the account's password was right (law 3)."""
        with self._lock:
            return self._codes.take((name, browser), self._monotonic())

    def was_right(self, name: str, browser: str | None) -> None:
        """The code that `lets_code` let through was right."""
        with self._lock:
            self._codes.give_back((name, browser))

    def lets_token(self, address: str, known: str = "") -> bool:
        """Tell whether a try for tokens from there may be judged (law 6).

        `known` is the digest of a token that is there, "" for none.
        """
        now = self._monotonic()
        with self._lock:
            if known:
                return self._known.take(known, now)
            return self._tokens.take(network_of(address), now)

    def token_was_right(self, address: str, known: str = "") -> None:
        """The try that `lets_token` let through was right."""
        with self._lock:
            if known:
                self._known.give_back(known)
            else:
                self._tokens.give_back(network_of(address))

    def lets_return(self, person: str) -> bool:
        """Tell whether a phone of this person may come back (law 7)."""
        with self._lock:
            return self._returns.take(person, self._monotonic())

    def lets_keep(self, person: str) -> bool:
        """Tell whether a phone of this person may keep a passkey (law 7)."""
        with self._lock:
            return self._keeps.take(person, self._monotonic())

    @contextmanager
    def hashing(self, browser: str | None) -> Iterator[bool]:
        """Hold a place to hash in; False: there was none, for known browsers in time (law 4)."""
        places = self._of_strangers if browser is None else self._of_known
        has_place = places.acquire(timeout=0 if browser is None else BUSY_SECONDS)
        try:
            yield has_place
        finally:
            if has_place:
                places.release()


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
