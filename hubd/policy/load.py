"""A policy that a tool on this machine brings, from a stick or a folder.

How it works: the tool offers a root, and hears which pieces are wanted. It brings them in any
order, and asks how it stands, until the policy is in force or refused. The pieces prove themselves,
so nothing hangs on who brings them.

Laws:
1. One policy is loaded at a time. The same one offered again goes on where it stopped.
2. A tool that brings nothing for `silent_seconds` has gone: its load ends. What it brought stays
   staged.
3. At most WAITING handfuls of pieces wait for the disk; a tool that brings more waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hubcore.errors import HubError, LinkError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubd.policy.new import Carrier

WAITING = 4
SILENT_SECONDS = 10.0
STATE_SECONDS = 2.0
"""How long a tool that asks how it stands waits for news."""


class Accept(Protocol):
    """`hubd.policy.new.PolicyIntake.accept`."""

    def __call__(self, document: bytes, carrier: Carrier, uid: int) -> Awaitable[int]:
        """Put a policy in force; return the version that then is. Raise HubError."""


class LoadPhase(StrEnum):
    """How far a load is."""

    WORKING = "working"
    """The root is read, or another carrier has the turn, or pieces go to the disk."""
    WANTED = "wanted"
    """Pieces are wanted."""
    IN_FORCE = "in_force"
    REFUSED = "refused"


_ENDS = frozenset({LoadPhase.IN_FORCE, LoadPhase.REFUSED})


@dataclass(frozen=True, slots=True)
class LoadState:
    """How a load stands. `round` counts how often pieces were asked for."""

    number: int
    phase: LoadPhase = LoadPhase.WORKING
    round: int = 0
    wanted: tuple[bytes, ...] = ()
    version: int = 0
    """In force, once it is."""
    why: str = ""
    """Why it was refused, a sentence."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.phase in _ENDS


class Load:
    """One load, and the carrier of its pieces (`hubd.policy.new.Carrier`)."""

    def __init__(self, number: int, document: bytes, uid: int, silent_seconds: float) -> None:
        self.document = document
        self.uid = uid
        self._silent_seconds = silent_seconds
        self._pieces: asyncio.Queue[Sequence[bytes]] = asyncio.Queue(WAITING)
        self._changed = asyncio.Event()
        self.state = LoadState(number)

    def ask(self, names: Sequence[bytes]) -> None:
        """Want these pieces."""
        now = self.state
        self._become(LoadState(now.number, LoadPhase.WANTED, now.round + 1, tuple(names)))

    def ask_again(self) -> None:
        """Have asked what is still wanted, for a tool that begins again."""
        if self.state.phase is LoadPhase.WANTED and self._pieces.empty():
            self._pieces.put_nowait(())

    async def next(self) -> Sequence[bytes]:
        """Return pieces that the tool has brought. Raise LinkError when it has gone."""
        try:
            async with asyncio.timeout(self._silent_seconds):
                pieces = await self._pieces.get()
        except TimeoutError as error:
            raise LinkError(
                f"no piece came for {self._silent_seconds:g} s: load the policy again, "
                "it goes on where it stopped"
            ) from error
        self._changed.set()
        return pieces

    async def bring(self, pieces: Sequence[bytes]) -> None:
        """Bring pieces; return when they wait for the disk, or nobody wants any more."""
        await self._until(lambda: not self._pieces.full() or self.state.ended)
        if not self.state.ended:
            self._pieces.put_nowait(pieces)

    async def news(self, after: int, seconds: float) -> None:
        """Return when more is asked for than in round `after`, at the end, or after so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._until(lambda: self.state.round > after or self.state.ended)
        except TimeoutError:
            pass

    def end(self, phase: LoadPhase, version: int = 0, why: str = "") -> None:
        """Be at the end; nothing is kept of what was brought."""
        now = self.state
        self._become(LoadState(now.number, phase, now.round, version=version, why=why))
        self.document = b""
        self._pieces = asyncio.Queue(WAITING)

    def _become(self, state: LoadState) -> None:
        self.state = state
        self._changed.set()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class PolicyLoads:
    """Takes the policies that tools bring. `run` it once."""

    def __init__(
        self,
        accept: Accept,
        tell: Tell,
        silent_seconds: float = SILENT_SECONDS,
        state_seconds: float = STATE_SECONDS,
    ) -> None:
        self._accept = accept
        self._tell = tell
        self._silent_seconds = silent_seconds
        self._state_seconds = state_seconds
        self._number = 0
        self._load: Load | None = None
        self._offered: asyncio.Queue[Load] = asyncio.Queue()

    async def run(self) -> None:
        """Take what is offered until cancelled."""
        while True:
            await self._take(await self._offered.get())

    def offer(self, document: bytes, uid: int) -> LoadState | None:
        """Take a root, and return how its load stands; None while another one is loaded."""
        load = self._load
        if load is not None and not load.state.ended:
            if load.document != document:
                return None
            load.ask_again()
            return load.state
        self._number += 1
        self._load = Load(self._number, document, uid, self._silent_seconds)
        self._offered.put_nowait(self._load)
        return self._load.state

    async def bring(self, number: int, after: int, pieces: Sequence[bytes]) -> LoadState | None:
        """Take pieces for a load, or wait for news of it where there are none.

        Return how it stands; None for a load that is not known any more.
        """
        load = self._load
        if load is None or load.state.number != number:
            return None
        if pieces:
            await load.bring(pieces)
        else:
            await load.news(after, self._state_seconds)
        return load.state

    async def _take(self, load: Load) -> None:
        try:
            version = await self._accept(load.document, load, load.uid)
        except HubError as error:
            why = str(error)
        except MemoryError:
            why = f"a policy of {len(load.document)} bytes is more than this hub has memory for"
        else:
            load.end(LoadPhase.IN_FORCE, version=version)
            return
        self._tell(EventName.POLICY_REFUSED, {Fact.UID: load.uid, Fact.WHY: why})
        load.end(LoadPhase.REFUSED, why=why)
