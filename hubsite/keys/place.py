"""Where keys count: the name that they are made for, and the addresses that may ask them.

Laws:
1. Keys are made for the first name of `hosts`. They work there, and below it, and nowhere else.
2. An address has this server's own port, or none. Another program at another port of this machine
   has nothing signed for this server.
3. An address of the network in place of a name has no keys: WebAuthn knows names alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """`name` is what authenticators make keys for (RP ID), `site` what they show of it."""

    name: str
    site: str
    origins: frozenset[str]


def place_of(hosts: Sequence[str], listen: str, site: str) -> Place | None:
    """Return where keys count, None where there can be none (law 3).

    `hosts` and `listen` are those of the configuration.
    """
    name = hosts[0].lower()
    if _is_address(name):
        return None
    port = listen.rpartition(":")[2]
    names = [host.lower() for host in hosts]
    inside = [host for host in names if host == name or host.endswith(f".{name}")]
    plain = {f"https://{host}" for host in inside}
    return Place(name, site, frozenset(plain | {f"{origin}:{port}" for origin in plain}))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
