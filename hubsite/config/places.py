"""Where people find a site's machine: its pages in a browser, and its port for new hubs."""

from __future__ import annotations

from collections.abc import Iterable

NEW_HUBS_PORT = 7013
"""Where gateways take new hubs, unless somebody has chosen another port."""
_HTTPS_PORT = "443"
_POINT = "POINT"


def pages_address(host: str, listen: str) -> str:
    """Return the address of the pages; `listen` is ADDRESS:PORT."""
    port = listen.rpartition(":")[2]
    place = host if port == _HTTPS_PORT else f"{host}:{port}"
    return f"https://{place}/"


def enroll_line(host: str, port: int = NEW_HUBS_PORT, points: Iterable[int] = ()) -> str:
    """Return what root types at a new hub's machine; CHIP:LINE is where a strike is wired."""
    named = [str(point) for point in points] or [_POINT]
    strikes = " ".join(f"--strike {point}=CHIP:LINE" for point in named)
    return f"hubctl enroll {host}:{port} {strikes} --start"
