"""A bridge that runs beside a stage, and what a site orders by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hubbridge.app import Bridge, open_bridge, read_files
from hubbridge.config import Backend, Config, load
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.ceilings.guests import GuestCeiling
from hubcore.bridge.site.order import Ordered
from hubsim.bridge.files import CONFIG, make_bridge
from hubsim.site import FIRST_OPERATOR, Site

NAME = "bridge-1"
ANSWER_SECONDS = 20.0
LOOK_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class SiteBridge:
    """The bridge of a site, with the site's own key."""

    bridge: Bridge

    async def order(self, what: Ordered, hub: str) -> None:
        """Order something as the site; return once this hub has taken it. Raise TimeoutError."""
        given = await self.bridge.orders.give(what, FIRST_OPERATOR)
        async with asyncio.timeout(ANSWER_SECONDS):
            while self.bridge.orders.answer(hub, given.id) is not OrderOutcome.TAKEN:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_SECONDS)

    def held(self, hub: str) -> int:
        """Return the number of the newest record of a hub that is on the bridge's disk."""
        kept = self.bridge.store.hubs.get(hub)
        return 0 if kept is None else kept.newest.number

    def durable(self, hub: str) -> int:
        """Return the number of the newest record that the backend has signed for to this bridge."""
        kept = self.bridge.store.hubs.get(hub)
        return 0 if kept is None else kept.durable


def section(port: int) -> str:
    """Return what the hub's configuration says of this bridge."""
    return f'\n[[bridges]]\nname = "{NAME}"\naddress = "127.0.0.1"\nport = {port}\n'


def _at(config: Config, socket: Path | None) -> Config:
    """Return the configuration with another local socket, or without one."""
    if socket is None or config.api is None:
        return msgspec.structs.replace(config, api=None)
    return msgspec.structs.replace(
        config, api=msgspec.structs.replace(config.api, socket=str(socket))
    )


@asynccontextmanager
async def running_bridge(
    site: Site,
    port: int,
    guests: GuestCeiling | None = None,
    socket: Path | None = None,
    backend: Sequence[Backend] = (),
    devices: DeviceCeiling | None = None,
) -> AsyncIterator[SiteBridge]:
    """Make a bridge of the site, and run it at this port of loopback. Raise HubError.

    `socket` is its local one; None: it has none. `backend` are the gateways that it calls.
    """
    raised: list[Exception] = []
    folder = make_bridge(site, NAME, port=port, guests=guests, devices=devices, backend=backend)
    file = folder / CONFIG
    ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    async with (
        open_bridge(read_files(_at(load(file), socket), file)) as bridge,
        asyncio.TaskGroup() as group,
    ):
        serving = group.create_task(bridge.run(ready.set_result))
        await ready
        try:
            yield SiteBridge(bridge)
        except Exception as error:  # the caller's own, which no group of tasks may wrap
            raised.append(error)
        serving.cancel()
    if raised:
        raise raised[0]
