"""The use case that keeps an epoch key ready.

Laws:
1. A key is made off the event loop and ahead of need, and is never written anywhere.
2. No other loop waits for it, and no stop: a small board takes up to a minute.
3. That there is a key or none is told in the same breath in which it becomes so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from cryptography.hazmat.primitives.asymmetric import rsa

from hubd.aside import aside
from hubd.core.cose import EXPONENT, Aead, SigningKey
from hubd.core.epochs import EpochRing, certify
from hubd.ports import Clock

CHECK_SECONDS = 5.0


class EpochKeys:
    """Makes keys of `bits` for the ring; `names` are (hub, site)."""

    def __init__(
        self, ring: EpochRing, identity: SigningKey, names: tuple[str, str], aeads: tuple[Aead, ...], bits: int
    ) -> None:
        self._ring, self._identity, self._names, self._aeads, self._bits = ring, identity, names, aeads, bits

    async def run(self, clock: Clock, beat: Callable[[], None], changed: Callable[[], None]) -> None:
        """Keep the ring filled until cancelled; `beat` is called at least every CHECK_SECONDS but for key making,
        `changed` whenever keys may have come or gone."""
        while True:
            beat()
            self._ring.expire(clock.wall())
            changed()
            if self._ring.due(clock.wall(), clock.monotonic()):
                key = await aside("epoch-key", partial(rsa.generate_private_key, EXPONENT, self._bits))
                now = clock.wall(), clock.monotonic()
                self._ring.add(certify(key, self._identity, self._names, self._aeads, now))
                changed()
            await asyncio.sleep(CHECK_SECONDS)
