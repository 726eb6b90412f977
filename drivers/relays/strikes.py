"""All strikes on relay boards: who listens to their boards, and tells what is wrong with them.

Laws:
1. What is wrong is told once for each change, in one sentence for each board and each strike.
2. While its board is not there, or is none of its kind, nobody can tell how a relay stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from drivers.relays.boards import BoardLine, RelayBoards
from drivers.relays.strike import Publish, RelayStrike, StrikeRelay
from hubcore.device.state import DeviceFault, DeviceState, Reading

TellUp = Callable[[bool, str], None]
"""Takes whether all strikes of the boards can be driven, and a sentence."""

SENTENCES: Mapping[DeviceFault, str] = {
    DeviceFault.INTERFACE_GONE: "is not there, or its port is in use",
    DeviceFault.STRANGE: "is none of the kind that the configuration names",
}


class RelayStrikes:
    """All strikes on relay boards, and who listens to their boards. Run `run`."""

    def __init__(self, lines: list[BoardLine], tell: TellUp) -> None:
        self._boards = RelayBoards(lines)
        self._ports = {device: line.path for line in lines for device in line.relays}
        self._tell = tell
        self._faults: dict[tuple[str, DeviceFault], None] = {}
        self._broken: dict[str, str] = {}
        self._said: str | None = None
        self._strikes: dict[str, RelayStrike] = {}
        self._ready: Callable[[], None] = lambda: None

    def make(self, relay: StrikeRelay, door: str, publish: Publish) -> RelayStrike:
        """Make the mover of a door."""
        strike = RelayStrike(relay, door, publish, self._boards.perform, self._breaks)
        self._strikes[relay.id] = strike
        return strike

    async def run(self, ready: Callable[[], None]) -> None:
        """Serve the boards and end what their strikes began, until cancelled."""
        self._ready = ready
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._boards.serve(self))
            for strike in self._strikes.values():
                tasks.create_task(strike.run())

    # What the boards say.

    def changed(self, device: str, state: DeviceState) -> None:
        """A board said how a relay stands."""
        self._strikes[device].stands(state)
        self._say()

    def read(self, reading: Reading) -> None:
        """Boards measure nothing."""

    def fault(self, device: str, fault: DeviceFault, stands: bool) -> None:
        """Something is wrong with a board, or no longer."""
        if stands:
            self._faults[device, fault] = None
            self._strikes[device].lost()
        else:
            self._faults.pop((device, fault), None)
        if self._faults:
            self._say()

    def _breaks(self, strike: str, why: str) -> None:
        self._broken[strike] = why
        self._say()

    def _say(self) -> None:
        """Tell what is wrong, once for each change."""
        sentences = dict.fromkeys(
            f"The relay board at {self._ports[device]} {SENTENCES.get(fault, fault)}."
            for device, fault in self._faults
        )
        why = " ".join([*sentences, *self._broken.values()])
        if why == self._said:
            return
        self._said = why
        if why:
            self._tell(False, why)
        else:
            self._ready()
