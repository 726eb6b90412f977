"""Where a webhook leads, and whether it may.

Laws:
1. HTTPS alone, without a name or a password in the address.
2. No address within a house: whoever writes a webhook would else speak with what this server alone
   can reach. One such address among several refuses all. The file may allow them.
3. The name is looked up once for each message, and the connection goes to what was judged.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from hubcore.errors import LinkError

PORT = 443
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Destination:
    """A host, its port, and the path with what follows it."""

    host: str
    port: int
    path: str


def read_url(url: str) -> Destination:
    """Return where an address leads (law 1). Raise ValueError with a sentence."""
    if not _PRINTABLE.fullmatch(url):
        raise ValueError("An address has no spaces, and no letters beyond ASCII.")
    try:
        parts = urlsplit(url)
        port = PORT if parts.port is None else parts.port
    except ValueError as error:
        raise ValueError(f"This is no address: {error}.") from error
    host = parts.hostname or ""
    if parts.scheme != "https" or not _HOST.fullmatch(host) or not port:
        raise ValueError("An address is https://HOST/PATH.")
    if "@" in parts.netloc or parts.fragment:
        raise ValueError("An address has no name, no password and no fragment.")
    query = f"?{parts.query}" if parts.query else ""
    return Destination(host, port, (parts.path or "/") + query)


def resolve(destination: Destination, allows_private: bool) -> str:
    """Return the address to connect to (laws 2 and 3). Raise LinkError."""
    try:
        found = socket.getaddrinfo(
            destination.host, destination.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError) as error:
        raise LinkError(f"no address of {destination.host} is known: {error}") from error
    addresses = [str(one[4][0]) for one in found]
    if not allows_private and not all(is_public(one) for one in addresses):
        raise LinkError(
            f"{destination.host} leads to an address that is not public; the file may allow that: "
            "private_addresses"
        )
    return addresses[0]


def is_public(text: str) -> bool:
    """Tell whether an address is one of the internet, also the one within another one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(str(inner))
        if address.teredo is not None:
            return False
    return address.is_global and not address.is_multicast
