"""The use case that keeps an epoch key ready.

Laws:
1. A key is made off the event loop and ahead of need. It is never written anywhere.
2. No other loop waits for it, and no stop does: a small board takes up to a minute.
3. Each change, from no key to a key or back, is reported at once.
4. Whoever may act at the hub can ask for another key at any time (`renew`).
5. A machine that gives no thread is asked again after CHECK_SECONDS. The key in use stays as long
   as it may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa

from hubcore.access.words import HubName
from hubcore.codec.cose import EXPONENT, Aead, SigningKey
from hubcore.errors import HardwareError
from hubcore.phone.epochs import EpochRing, certify
from hubcore.ports.clock import Clock
from hubd.threads import Start, run_in_thread, start_thread

log = structlog.get_logger()

CHECK_SECONDS = 5.0


class EpochKeys:
    """Makes keys of `bits` for the ring, certified by the hub's `identity`."""

    def __init__(
        self,
        ring: EpochRing,
        identity: SigningKey,
        name: HubName,
        aeads: tuple[Aead, ...],
        bits: int,
        *,
        start: Start = start_thread,
        check_seconds: float = CHECK_SECONDS,
    ) -> None:
        self._ring = ring
        self._identity = identity
        self._name = name
        self._aeads = aeads
        self._bits = bits
        self._start = start
        self._check_seconds = check_seconds
        self._failure_logged = False
        self._asked = asyncio.Event()

    def renew(self) -> None:
        """Make another key now; the one in use opens what is sealed to it as long as it may."""
        self._asked.set()

    async def fill(self, clock: Clock) -> None:
        """Make a key if one is due: for a hub that does not drive yet."""
        if self._ring.due(clock.wall(), clock.monotonic()):
            await self._make(clock)

    async def run(
        self, clock: Clock, beat: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        """Keep the ring filled until cancelled.

        `beat` is called every `check_seconds`, but not while a key is made; `changed` whenever keys
        may have come or gone.
        """
        while True:
            beat()
            self._ring.expire(clock.wall())
            changed()
            due = self._ring.due(clock.wall(), clock.monotonic())
            if due or self._asked.is_set():
                self._asked.clear()
                await self._make(clock)
                changed()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await self._asked.wait()

    async def _make(self, clock: Clock) -> None:
        """Add a key to the ring, or log once why none can be made."""
        make_key = partial(rsa.generate_private_key, EXPONENT, self._bits)
        try:
            key = await run_in_thread("epoch-key", make_key, self._start)
        except HardwareError as error:
            if not self._failure_logged:
                log.warning("epoch_key_failed", why=str(error))
            self._failure_logged = True
            return
        self._failure_logged = False
        epoch = certify(
            key, self._identity, self._name, self._aeads, clock.wall(), clock.monotonic()
        )
        self._ring.add(epoch)
