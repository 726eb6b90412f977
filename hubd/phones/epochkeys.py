"""The use case that keeps an epoch key ready.

Laws:
1. A key is made off the event loop and ahead of need, and is never written anywhere.
2. No other loop waits for it, and no stop: a small board takes up to a minute.
3. That there is a key or none is told in the same breath in which it becomes so.
4. A machine that gives no thread for it is asked again after CHECK_SECONDS; the key in use stays as
   long as it may.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

import structlog
from cryptography.hazmat.primitives.asymmetric import rsa

from hubcore.access.words import HubName
from hubcore.codec.cose import EXPONENT, Aead, SigningKey
from hubcore.errors import HardwareError
from hubcore.phone.epochs import EpochRing, certify
from hubcore.ports.clock import Clock
from hubd.aside import Start, aside, start_thread

log = structlog.get_logger()

CHECK_SECONDS = 5.0


class EpochKeys:
    """Makes keys of `bits` for the ring."""

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
        self._told = False
        """Whether the journal has it that no key could be made."""

    async def run(
        self, clock: Clock, beat: Callable[[], None], changed: Callable[[], None]
    ) -> None:
        """Keep the ring filled until cancelled; `beat` is called at least every CHECK_SECONDS but
        for key making, `changed` whenever keys may have come or gone.
        """
        while True:
            beat()
            self._ring.expire(clock.wall())
            changed()
            if self._ring.due(clock.wall(), clock.monotonic()):
                await self._make(clock)
                changed()
            await asyncio.sleep(self._check_seconds)

    async def _make(self, clock: Clock) -> None:
        """Add a key to the ring, or tell the journal once why there is none to add."""
        try:
            key = await aside(
                "epoch-key", partial(rsa.generate_private_key, EXPONENT, self._bits), self._start
            )
        except HardwareError as error:
            if not self._told:
                log.warning("epoch_key_failed", why=str(error))
            self._told = True
            return
        self._told = False
        wall = clock.wall()
        monotonic = clock.monotonic()
        self._ring.add(certify(key, self._identity, self._name, self._aeads, wall, monotonic))
