"""What a technician vouches for on the local socket, or has forgotten."""

from __future__ import annotations

import asyncio

from hubcore.ports.clock import Clock, ClockState
from hubd.calls.words import TECHNICIAN, Arguments
from hubd.orders.passback import PassbackReset
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.clockcare import ClockCare
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role


class CareCalls:
    """A method for each call."""

    def __init__(
        self, clock: Clock, time: ClockCare, policy: ProvenPolicy, passback: PassbackReset
    ) -> None:
        self._clock = clock
        self._time = time
        self._policy = policy
        self._passback = passback
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("trust-clock", self.trust_clock, role=Role.ACT),
            Call("accept-state", self.accept_state, role=Role.ACT),
            Call("passback-reset", self.passback_reset, role=Role.ACT),
        )

    async def trust_clock(self, _arguments: Arguments, caller: PeerProcess) -> object:
        """Vouch for a clock that is not believed or not confirmed; answer {state, wall, vouched}.

        A clock that needs nobody to vouch for it leaves no record.
        """
        async with self._writing:
            clock = self._clock
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
                await self._time.vouch(TECHNICIAN, caller.uid)
            return {
                "state": clock.state().value,
                "wall": clock.wall(),
                "vouched": vouched,
            }

    async def accept_state(self, _arguments: Arguments, caller: PeerProcess) -> object:
        """Believe the state on the disk; answer {was, policy_version}."""
        async with self._writing:
            doubt = await self._policy.accept(TECHNICIAN, caller.uid)
        was = None if doubt is None else str(doubt)
        return {"was": was, "policy_version": self._policy.version()}

    async def passback_reset(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Forget where people are; takes {credential} or nothing, answers {credential, forgotten}.

        `forgotten` counts those whose place was known; 0 left no record.
        """
        credential = arguments.get("credential")
        if credential is not None and not isinstance(credential, str):
            raise CallRefused(
                "bad-credential", "A credential is a text; without one it is for all."
            )
        async with self._writing:
            forgotten = await self._passback.reset(credential, TECHNICIAN, caller.uid)
        return {"credential": credential, "forgotten": forgotten}
