"""The demo's steps on Z-Wave: a shutter and a lock."""

from __future__ import annotations

import time
from pathlib import Path

from hubcore.errors import ConfigError
from hubsim.demo.steps import Steps, expect
from hubsim.site.building import ARCHIVE
from hubsim.stage import Stage
from hubsim.zwave.modules import find_modules
from hubsim.zwave.network import ZwaveNetwork

SHUTTER = "shutter-south"
ZWAVE_SECONDS = 60.0


def modules_of_zwave(steps: Steps) -> Path | None:
    """Return where the Z-Wave service's modules are; without them say how to get them."""
    try:
        return find_modules()
    except ConfigError as error:
        steps.console.print(f"[yellow]–[/yellow] without its Z-Wave steps: {error}")
        return None


def zwave_network(modules: Path, stage: Stage) -> ZwaveNetwork:
    """Return a Z-Wave network without radio, reached where a desk's hub looks for it."""
    state = stage.site.hub / "state"
    state.mkdir(exist_ok=True, mode=0o700)
    return ZwaveNetwork(modules, state.absolute())


class DemoDevices:
    """Things on the network, as the backend moves them."""

    def __init__(self, stage: Stage, steps: Steps) -> None:
        self._stage = stage
        self._steps = steps

    async def move(self) -> None:
        """Move a shutter and a lock on Z-Wave, once the network has found them."""
        await self._stage.until(self._shutter_is_there, "the shutter answers", ZWAVE_SECONDS)
        began = time.monotonic()
        answer = await self._stage.backend(
            "act", hub="hub-1", target=SHUTTER, verb="close", by="operator-7"
        )
        confirmed = {SHUTTER: "confirmed"}
        expect(answer["outcomes"] == confirmed, f"the shutter closes: {answer}")
        took = time.monotonic() - began
        self._steps.done("a shutter closes, confirmed when it stands still at its end", took)

        await self._stage.until(self._lock_is_there, "the lock answers", ZWAVE_SECONDS)
        began = time.monotonic()
        answer = await self._stage.backend(
            "release", hub="hub-1", access_point=ARCHIVE.access_point, by="operator-7"
        )
        expect(answer["outcome"] == "released", f"the lock opens: {answer}")
        took = time.monotonic() - began
        self._steps.done("a Z-Wave lock opens, confirmed by what the lock itself reported", took)

    async def _shutter_is_there(self) -> bool:
        devices = await self._stage.hub("devices")
        positions = {device["id"]: device["position"] for device in devices}
        return bool(positions[SHUTTER] != "unknown")

    async def _lock_is_there(self) -> bool:
        problems = (await self._stage.hub("status"))["problems"]
        return not any(problem["id"].startswith(("devices", "locks")) for problem in problems)
