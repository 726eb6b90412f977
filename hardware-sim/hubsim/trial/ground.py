"""What a site has below its server: engine, gateway, bridge, and a hub with two doors on the air.

Laws:
1. Each is the real program in a process of its own; only the radio and the metal are simulated.
2. Nothing listens beyond loopback, and nothing runs on when the block ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hubcore.bridge.talk import WayPhase
from hubsim.bridge.behind import BackendBehind
from hubsim.bridge.files import CONFIG, make_bridge
from hubsim.site import DeskDoor
from hubsim.stage import Stage, free_port

FRONT = DeskDoor(id="front", name="Front door", access_point=1, strike_seconds=1.0)
STORE = DeskDoor(id="store", name="Storeroom", access_point=2, strike_seconds=1.0)
BRIDGE = "bridge-1"
HUB = "hub-1"
SPEAKING = str(WayPhase.SPEAKING)


class Ground(Stage):
    """A stage whose backend is an engine and a gateway, and which has a bridge of its site."""

    def __init__(self, path: Path) -> None:
        """Raise ConfigError where there is no NATS server."""
        self._bridge_port = free_port()
        section = f'\n[[bridges]]\nname = "{BRIDGE}"\naddress = "127.0.0.1"\n'
        super().__init__(
            path, (FRONT, STORE), extra_config=f"{section}port = {self._bridge_port}\n"
        )
        self.behind = BackendBehind(self)

    async def stop_all(self) -> None:
        """End the engine and the gateway, too."""
        try:
            await super().stop_all()
        finally:
            await self.behind.cut()

    async def start_backend(self) -> None:
        """Start the engine and the gateway, and the bridge behind them."""
        folder = make_bridge(
            self.site, BRIDGE, port=self._bridge_port, backend=[self.behind.for_bridges]
        )
        self.behind.make()
        await self.behind.begin()
        file = (folder / CONFIG).absolute()
        await self.start_program("bridge", "hubbridge", "--config", str(file), folder=folder)

    async def welcomed(self) -> None:
        """Wait until the gateway has welcomed the hub, and the bridge speaks with it.

        Raise StageError.
        """

        async def is_welcome() -> bool:
            status = await self.hub("status")
            way = status["bridge"]
            return bool(status["backend"]["last_welcome"] and way and way["phase"] == SPEAKING)

        await self.until(is_welcome, "gateway and bridge have welcomed the hub")

    async def until_policy(self, version: int) -> float:
        """Wait until the hub has a policy, or a newer one; return the seconds. Raise StageError."""

        async def has_it() -> bool:
            return bool((await self.hub("status"))["policy_version"] >= version)

        return await self.until(has_it, f"the hub has policy {version}")

    async def recorded(self) -> int:
        """Wait until engine and bridge have each record of the hub; return the newest one.

        Raise StageError.
        """
        last = 0

        async def is_there() -> bool:
            nonlocal last
            status = await self.hub("status")
            last = int(status["records"]["last"])
            records = await self.behind.records(HUB)
            return bool(records) and records[-1].number >= last and status["bridge"]["waiting"] == 0

        await self.until(is_there, "engine and bridge have each record of the hub")
        return last

    def ended(self) -> Iterator[str]:
        """Yield the name of each part that runs no more."""
        yield from super().ended()
        yield from self.behind.ended()
