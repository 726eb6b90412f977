"""What btmon in the guest sees: packets and commands between host and controller, as text."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from lab.guest import Guest

TRACE = "/run/lab.btsnoop"
BEGUN = (
    f"systemd-run --unit=lab-btmon btmon -w {TRACE}; until [ $(stat -c %s {TRACE}) -gt 16 "
    "]; do :; done"
)
"""Something stands after the file's head of 16 bytes: a listener is told first of all which
adapters there are.
"""
SENT = ("< ACL Data TX", "< LE-ACL")
"""How btmon calls what the hub sends: up to 5.82, and in 5.87."""


@asynccontextmanager
async def traced(guest: Guest, packets: list[str]) -> AsyncIterator[None]:
    """Trace what happens inside; fill `packets` with btmon's text of each."""
    await guest.run("rm", "-f", TRACE)
    await guest.run("sh", "-c", BEGUN)
    try:
        yield
    finally:
        await guest.run("systemctl", "stop", "lab-btmon")
    packets += await so_far(guest)


async def so_far(guest: Guest) -> list[str]:
    """Return btmon's text of each packet that was traced until now."""
    text = (await guest.run("btmon", "-r", TRACE)).out
    return re.split(r"\n(?=[<>@=] )", text)


def sent(packets: list[str]) -> list[str]:
    """Return the data packets that the hub sent."""
    return [packet for packet in packets if packet.startswith(SENT)]
