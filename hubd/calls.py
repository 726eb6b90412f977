"""What the daemon answers on its local socket: the calls of `hubctl`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from hubcore.ports.clock import ClockState
from hubd.adapters.host.peer import PeerProcess
from hubd.adapters.local.calls import Call, CallRefused
from hubd.adapters.local.roles import Role
from hubd.orders.passback import PassbackReset
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attending import Attending
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.denials import DenialReport
from hubd.upkeep.status import Status

Arguments = Mapping[str, object]
TECHNICIAN = "technician"
"""Who vouches, in records."""


class LocalCalls:
    """A method for each call."""

    def __init__(
        self,
        status: Status,
        time: ClockCare,
        policy: ProvenPolicy,
        passback: PassbackReset,
        denials: DenialReport,
        readers: Attending | None = None,
    ) -> None:
        self._status = status
        self._time = time
        self._policy = policy
        self._passback = passback
        self._denials = denials
        self._readers = readers
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("status", self.status),
            Call("doors", self.doors),
            Call("devices", self.devices),
            Call("denials", self.denials),
            Call("checks", self.checks),
            Call("measured", self.measured),
            Call("trust-clock", self.trust_clock, role=Role.ACT),
            Call("accept-state", self.accept_state, role=Role.ACT),
            Call("install-reader-key", self.install_reader_key, role=Role.ACT),
            Call("change-reader-key", self.change_reader_key, role=Role.ACT),
            Call("passback-reset", self.passback_reset, role=Role.ACT),
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

    async def checks(self, _arguments: Arguments, _caller: object) -> object:
        """Answer each topic of the table of checks; one that is well has no severity."""
        return self._status.checks()

    async def measured(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what was decided how often, and how fast."""
        return self._status.measured.document()

    async def denials(self, _arguments: Arguments, _caller: object) -> object:
        """Answer what was denied last, and why."""
        return await self._denials.document()

    async def trust_clock(self, _arguments: Arguments, caller: PeerProcess) -> object:
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

    async def install_reader_key(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Give a reader with the default key its own; takes {reader}, answers the same."""
        readers = self._known_readers()
        return await self._give_key(readers, readers.install_key, arguments, caller)

    async def change_reader_key(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Give a reader the next key of the configuration; takes {reader}, answers the same."""
        readers = self._known_readers()
        return await self._give_key(readers, readers.renew_key, arguments, caller)

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

    def _known_readers(self) -> Attending:
        if self._readers is None:
            raise CallRefused(
                "no-readers", "This hub has no readers: see [[readers]] in config/hubd.toml."
            )
        return self._readers

    async def _give_key(
        self,
        readers: Attending,
        give: Callable[[str, str, int], Awaitable[None]],
        arguments: Arguments,
        caller: PeerProcess,
    ) -> object:
        reader = arguments.get("reader")
        names = readers.names()
        if not isinstance(reader, str) or reader not in names:
            raise CallRefused("unknown-reader", f"There are the readers {', '.join(names)}.")
        async with self._writing:
            await give(reader, TECHNICIAN, caller.uid)
        return {"reader": reader}
