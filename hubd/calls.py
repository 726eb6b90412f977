"""What the daemon answers on its local socket: the calls of `hubctl`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from hubcore.ports.clock import ClockState
from hubd.adapters.local.calls import Call, CallRefused
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.status import Status

Arguments = Mapping[str, object]
TECHNICIAN = "technician"
"""Who vouches, in records."""


class LocalCalls:
    """A method for each call; none of them takes arguments."""

    def __init__(self, status: Status, time: ClockCare, policy: ProvenPolicy) -> None:
        self._status = status
        self._time = time
        self._policy = policy
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("status", self.status),
            Call("doors", self.doors),
            Call("devices", self.devices),
            Call("trust-clock", self.trust_clock, writes=True),
            Call("accept-state", self.accept_state, writes=True),
        )

    async def status(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the hub is."""
        return self._status.whole()

    async def doors(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the doors are."""
        return self._status.doors()

    async def devices(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the devices are."""
        return self._status.devices()

    async def trust_clock(self, _arguments: Arguments, _caller: object) -> object:
        """Vouch for a clock that is not believed or not confirmed; answer {state, wall, vouched}.

        A clock that needs nobody to vouch for it leaves no record.
        """
        async with self._writing:
            clock = self._status.clock
            before = clock.state()
            if before is ClockState.BEFORE_BUILD:
                raise CallRefused(
                    "clock-before-build",
                    "The clock stands before the day this software was built or this hub was "
                    "certified, so it is wrong: set it with timedatectl set-time, or let it be "
                    "set by NTP.",
                )
            vouched = before is not ClockState.TRUSTED or not self._time.confirmed()
            if vouched:
                await self._time.vouch(TECHNICIAN)
            return {
                "state": clock.state().value,
                "wall": clock.wall(),
                "vouched": vouched,
            }

    async def accept_state(self, _arguments: Arguments, _caller: object) -> object:
        """Believe the state on the disk; answer {was, policy_version}."""
        async with self._writing:
            doubt = await self._policy.accept(TECHNICIAN)
        was = None if doubt is None else str(doubt)
        return {"was": was, "policy_version": self._policy.version()}
