"""The hub of this process as it changes hands: `takeover.neighbours.Hub` and `NewHub` in one.

How it works: a hub that is to be handed over ends its session, and keeps what that left. Who drives
next begins a session with it, be it this process or another. Copies of the descriptors stay here
until the other process drives alone; nobody reads from them.

Laws:
1. A session runs here, or what it left is kept here: never both.
2. What was given away is used again only in the state in which it comes back. The radio's
   connection and the tickets of phones go along, so they come back, or are gone.
3. A session that must be taken up is up within TAKE_SECONDS, or it has failed.
4. A session that fails by itself is told (`failed`), and ends a trial badly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from hubcore.errors import HardwareError, HubError
from hubcore.update.gap import Gap, GapStep
from hubcore.update.packets import Holdings
from hubcore.update.quiet import Patience
from hubd.session.session import Session
from hubd.takeover.changing import Changing
from hubd.wiring.handed.belongings import BUS, TICKETS, Belongings

LOOK_SECONDS = 0.05
"""Between two looks whether the hub is quiet."""
TAKE_SECONDS = 4.0
"""Less than the old process waits for it (`takeover.old.Times.taking`)."""

MakeSession = Callable[[Belongings | None], Session]


class Hands:
    """One hub, whose sessions `make_session` makes. `check` checks it without driving."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        make_session: MakeSession,
        changing: Changing,
        gap: Gap,
        check: Callable[[], Awaitable[None]],
        failed: Callable[[], None],
        patience: Patience | None = None,
        take_seconds: float = TAKE_SECONDS,
    ) -> None:
        self._tasks: asyncio.TaskGroup = tasks
        self._make_session = make_session
        self._changing = changing
        self._gap = gap
        self._check = check
        self._tell_failed = failed
        self._patience = patience or Patience()
        self._take_seconds = take_seconds
        self._session: Session | None = None
        self._running: asyncio.Task[None] | None = None
        self._is_taking_up = False
        """Whoever waits for that learns of a failure by himself."""
        self._kept = Belongings()
        self.error: Exception | None = None
        """Why the last session has failed."""

    @property
    def drives(self) -> bool:
        """Whether a session runs here."""
        return self._running is not None

    def begin(self, given: Belongings | None = None) -> None:
        """Begin a session."""
        self._session = self._make_session(given)
        self._running = self._tasks.create_task(self._run(self._session))

    async def _run(self, session: Session) -> None:
        try:
            await session.run()
        except Exception as error:  # whoever drives is told; what it was is raised at the end
            self.error = error
            with suppress(HubError):
                self._changing.end_trial(f"the hub has failed: {error!r}")
            if session is self._session and not self._is_taking_up:
                self._tell_failed()

    def alone(self) -> None:
        """Let the session know that this process drives alone."""
        if self._session is not None:
            self._session.alone()

    async def end(self) -> None:
        """End the session with every strike at rest.

        Without one, close what was kept: the guard then drives every strike to rest.
        """
        if self._session is not None:
            self._session.stop()
        await self._finish()
        self._kept.close()
        self._kept = Belongings()

    # takeover.neighbours.Hub

    async def quiet(self) -> None:
        """See `Hub.quiet`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        is_quiet = False
        while not is_quiet:
            await asyncio.sleep(LOOK_SECONDS)
            is_quiet = self._is_quiet(loop.time() - began)

    def _is_quiet(self, waited_seconds: float) -> bool:
        if self._session is None:
            return False
        return self._patience.is_quiet(self._session.activity(), waited_seconds)

    async def settle(self) -> bool:
        """See `Hub.settle`."""
        session = self._session
        if session is None or not self._is_quiet(self._patience.patience_seconds):
            return False
        session.hand_on()
        await self._finish()
        if self.error is not None:
            raise HardwareError(f"The hub has failed: {self.error!r}")
        return True

    async def _finish(self) -> None:
        """Wait for the end of the session, and keep what it left."""
        session = self._session
        running = self._running
        self._session = None
        self._running = None
        if session is None or running is None:
            return
        await running
        self._kept.close()
        self._kept = session.left

    async def reopen(self) -> None:
        """See `Hub.reopen`."""
        if not self.drives:
            await self._resume(self._release_kept())

    def holdings(self) -> tuple[Holdings, tuple[int, ...]]:
        """See `Hub.holdings`."""
        self._gap.note(GapStep.GIVEN)
        return self._kept.holdings()

    async def adopt(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        """See `Hub.adopt`."""
        back = Belongings.of(holdings, tuple(descriptors))
        await self._resume(self._release_kept().renewed(back))

    async def register(self) -> None:
        """See `Hub.register`."""
        await self._resume(self._release_kept().without(BUS, TICKETS))

    def _release_kept(self) -> Belongings:
        kept = self._kept
        self._kept = Belongings()
        return kept

    async def _resume(self, given: Belongings) -> None:
        """Drive with these. Raise HubError when that cannot be; copies are kept then."""
        self._kept = given.copy()
        try:
            await self._take_up(given)
        except HubError:
            await self._give_up()
            raise
        self._kept.close()
        self._kept = Belongings()

    async def secure(self) -> None:
        """See `Hub.secure`."""
        await self.end()

    # takeover.neighbours.NewHub

    async def check(self) -> None:
        """See `NewHub.check`."""
        await self._check()

    async def take(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        """See `NewHub.take`."""
        self._gap.note(GapStep.TURN)
        given = Belongings.of(holdings, tuple(descriptors))
        self._kept = given.copy()
        await self._take_up(given)
        self._gap.note(GapStep.TAKEN)
        self._kept.close()
        self._kept = Belongings()

    async def healthy(self) -> None:
        """See `NewHub.healthy`."""
        await self._changing.trial()

    async def give_back(self) -> tuple[Holdings, tuple[int, ...]]:
        """See `NewHub.give_back`."""
        await self._give_up()
        return self._kept.holdings()

    async def _take_up(self, given: Belongings) -> None:
        """Begin a session with these; return once it drives. Raise HubError."""
        self.error = None
        self._is_taking_up = True
        self.begin(given)
        try:
            async with asyncio.timeout(self._take_seconds):
                if self._session is not None:
                    await self._session.taken()
        except TimeoutError as error:
            why = f"The hub is not taken up within {self._take_seconds:g} s."
            raise HardwareError(why) from error
        finally:
            self._is_taking_up = False

    async def _give_up(self) -> None:
        """End the session so that it leaves what it has, and keep that.

        Of what it could not take up a copy is kept, but for what goes along. A session that was not
        built has touched nothing.
        """
        session = self._session
        if session is None:
            return
        copies = self._kept
        self._kept = Belongings()
        session.hand_on()
        await self._finish()
        if session.is_built:
            self._kept = copies.renewed(self._kept)
        else:
            self._kept.close()
            self._kept = copies
