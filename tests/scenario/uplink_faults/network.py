"""A hub and a backend in network namespaces of their own, with a router between them.

    hub 10.77.1.2 ── 10.77.1.1 router 10.77.2.1 ── 10.77.2.2 backend

The router drops every packet while it does not forward: neither side is told, no cable is pulled,
and no connection is closed. The namespaces live in a user namespace, so nobody needs to be root.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence

HUB = "10.77.1.2"
BACKEND = "10.77.2.2"
_PROBE = ("unshare", "--user", "--map-root-user", "--net", "ip", "link", "add", "type", "veth")


def why_not() -> str:
    """Say why this machine gives no network namespaces; "" if it does."""
    for tool in ("unshare", "nsenter", "ip"):
        if not shutil.which(tool):
            return f"this machine has no {tool}"
    probe = subprocess.run(_PROBE, capture_output=True, text=True, check=False)
    if probe.returncode:
        return f"this machine gives no network namespaces: {probe.stderr.strip()}"
    return ""


class Network:
    """The namespaces, each held by a process that sleeps."""

    def __init__(self) -> None:
        self._holders: dict[str, asyncio.subprocess.Process] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Network]:
        """Make it all; end it with the context."""
        try:
            own = ("unshare", "--user", "--map-root-user", "--net")
            await self._hold("router", own)
            for side in ("hub", "backend"):
                await self._hold(side, (*self.inside("router"), "unshare", "--net"))
            await self._join("hub", "10.77.1")
            await self._join("backend", "10.77.2")
            await self.forward(True)
            yield self
        finally:
            for holder in self._holders.values():
                holder.kill()
                await holder.wait()

    def inside(self, side: str) -> Sequence[str]:
        """Return what stands before a command that is to run there."""
        process_id = str(self._holders[side].pid)
        return ("nsenter", "--preserve-credentials", "--user", "--net", "--target", process_id)

    async def forward(self, on: bool) -> None:
        """Let packets through, or drop them all."""
        value = int(on)
        await self.run("router", "sh", "-c", f"echo {value} >/proc/sys/net/ipv4/ip_forward")

    async def run(self, side: str, *command: str) -> None:
        """Run a command there to its end."""
        process = await asyncio.create_subprocess_exec(
            *self.inside(side), *command, stderr=asyncio.subprocess.PIPE
        )
        _, said = await process.communicate()
        assert process.returncode == 0, (command, said.decode())

    async def _hold(self, name: str, prefix: Sequence[str]) -> None:
        holder = await asyncio.create_subprocess_exec(
            *prefix,
            "sh",
            "-c",
            "ip link set lo up; echo held; exec sleep 600",
            stdout=asyncio.subprocess.PIPE,
        )
        self._holders[name] = holder
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"held\n"

    async def _join(self, side: str, net: str) -> None:
        """Lay a cable from the router to a side."""
        end = str(self._holders[side].pid)
        cable = ("ip", "link", "add", f"to-{side}", "type", "veth", "peer", "name", "eth0")
        await self.run("router", *cable, "netns", end)
        await self.run("router", "ip", "address", "add", f"{net}.1/24", "dev", f"to-{side}")
        await self.run("router", "ip", "link", "set", f"to-{side}", "up")
        await self.run(side, "ip", "address", "add", f"{net}.2/24", "dev", "eth0")
        await self.run(side, "ip", "link", "set", "eth0", "up")
        await self.run(side, "ip", "route", "add", "default", "via", f"{net}.1")
