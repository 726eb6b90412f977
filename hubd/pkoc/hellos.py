"""When the PKOC reader speaks first: a hello to whoever listens and has not said anything yet.

How it goes: a phone connects, subscribes, and waits. BlueZ says that somebody has subscribed, and
not who; of a second one it says nothing. So the hello is said when the first subscribes, and again
each `every_seconds` while a link is silent that has come within HELLO_SECONDS.

Laws:
1. Nothing is said while nobody listens, or while every link has spoken.
2. No hello is said while a phone is amid its visit: it would hear it, too, and some phones then go
   on without the reader's proof.
3. A hello is of a new turn, unless somebody who has heard the last one may still answer it
   (`hubcore.pkoc.turn`, law 4).
4. Nothing here grows: a silent link is forgotten after HELLO_SECONDS.
5. A silent link outlasts two visits, one after the other, of phones that stop amid them.
6. A turn that is over is let go, whether or not anybody comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.errors import LinkError
from hubcore.evidence.facts import EventName, Fact, Tell
from hubcore.pkoc.reader import ReaderSide
from hubcore.pkoc.turn import Turn
from hubcore.ports.clock import Clock
from hubcore.ports.radio import LinkId, Radio

EVERY_SECONDS = 0.25
HELLO_SECONDS = 5.0
SEND_SECONDS = 5.0

MakeKey = Callable[[], ec.EllipticCurvePrivateKey]
"""Makes a new key on P-256."""


def make_key() -> ec.EllipticCurvePrivateKey:
    """Make a new key on P-256: some 20 microseconds."""
    return ec.generate_private_key(ec.SECP256R1())


class Hellos:
    """Says hello on one radio; `is_amid` tells whether a phone is amid its visit."""

    def __init__(
        self,
        side: ReaderSide,
        radio: Radio,
        is_amid: Callable[[], bool],
        tell: Tell,
        clock: Clock,
        *,
        key: MakeKey = make_key,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._side = side
        self._radio = radio
        self._is_amid = is_amid
        self._tell = tell
        self._clock = clock
        self._key = key
        self._every_seconds = every_seconds
        self._anybody = False
        self._silent: dict[LinkId, float] = {}
        self._heard: frozenset[LinkId] = frozenset()
        """Who was silent, and so may answer, when a hello of the turn was said."""
        self._due = asyncio.Event()
        self._subscribed = asyncio.Event()
        self.turn: Turn | None = None
        """The one of the last hello, until it is over."""

    def opened(self, link: LinkId) -> None:
        """A link has come, and is silent."""
        self._silent[link] = self._clock.monotonic()
        self._look()

    def spoke(self, link: LinkId) -> None:
        """A link has spoken, whatever it has said, or is gone."""
        self._silent.pop(link, None)

    def answered(self, link: LinkId) -> Turn | None:
        """Return the turn that a link may answer, if any; it is silent no more."""
        self.sweep()
        self.spoke(link)
        return self.turn

    def sweep(self) -> None:
        """Let go of a turn that is over."""
        if self.turn is not None and self.turn.is_over(self._clock.monotonic(), self._is_awaited()):
            self.turn = None

    def listens(self, anybody: bool) -> None:
        """Somebody has subscribed, or nobody listens any more."""
        self._anybody = anybody
        if anybody:
            self._subscribed.set()
        self._look()

    async def run(self) -> None:
        """Say hello where it is due, until cancelled."""
        while True:
            await self._due.wait()
            self._subscribed.clear()
            if not self._look():
                continue
            if not self._is_amid():
                await self._say()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_seconds):
                    await self._subscribed.wait()

    def _look(self) -> bool:
        """Tell whether a hello is due."""
        oldest = self._clock.monotonic() - HELLO_SECONDS
        self._silent = {link: at for link, at in self._silent.items() if at > oldest}
        is_due = self._anybody and bool(self._silent)
        if is_due:
            self._due.set()
        else:
            self._due.clear()
        return is_due

    def _is_awaited(self) -> bool:
        """Tell whether somebody who has heard the turn may still answer it."""
        return not self._heard.isdisjoint(self._silent)

    async def _say(self) -> None:
        now = self._clock.monotonic()
        silent = frozenset(self._silent)
        self.sweep()
        if self.turn is None:
            self.turn = Turn(self._key(), now)
            self._heard = frozenset()
        self._heard |= silent
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._radio.notify_pkoc(self._side.hello(self.turn))
        except (LinkError, TimeoutError) as error:
            self._tell(EventName.SEND_FAILED, {Fact.WHY: str(error) or "pkoc: too slow"})
