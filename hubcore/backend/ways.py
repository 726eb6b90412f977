"""Ways to an engine: which of them something guards.

Laws:
1. Another machine is reached by TLS, or where the file says that something else guards the way.
2. No name is looked up: any but `localhost` may lead to another machine.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_SERVER = re.compile(r"(nats|tls)://[^\s/]{1,253}")


def is_this_machine(host: str) -> bool:
    """Tell whether a host is loopback (law 2)."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def check_server(server: str, in_clear: bool) -> None:
    """Look at one address of an engine. Raise ValueError with what is wrong (law 1)."""
    if not _SERVER.fullmatch(server):
        raise ValueError(f"{server!r} is no nats://HOST:PORT or tls://HOST:PORT")
    try:
        url = urlsplit(server)
        is_here = is_this_machine(url.hostname or "")
    except ValueError as error:
        raise ValueError(f"{server!r}: {error}") from error
    if url.scheme == "nats" and not is_here and not in_clear:
        raise ValueError(
            f"{server!r} is another machine, and all would be in clear: write tls://, or "
            "in_clear = true where something else guards the way"
        )
