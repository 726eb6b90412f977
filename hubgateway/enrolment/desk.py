"""What the gateway answers a machine that wants to be a hub: by the promises in the engine.

How it works: an operator's program (`hubgateway.issuer`) puts a promise into the bucket. The first
keys that come with its token are written into it, after the very revision that was read. So two
gateways cannot let two machines have one token. The operator's program signs for these keys and
writes the certificate into the promise; the machine asks again and gets it.

Laws:
1. No key that signs is here. A certificate is proven before a hub is told of it.
2. The keys of a token stand in the engine before the machine hears that it is known.
3. While the engine is away nobody is refused for good: a machine hears *busy* and asks again.
4. Of all questions ASKS are looked at, as at any backend.
"""

from __future__ import annotations

from collections.abc import Callable

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import Ask, FromBackend, Refused, RefusedCause, Waiting
from hubcore.backend.enrolment.ofsite import OfSite, check_certificates, enrolled
from hubcore.backend.enrolment.promise import ASKS, Promise, Turn, judge, write_promise
from hubcore.backend.enrolment.token import digest_of
from hubcore.errors import FrameError, LinkError, StoreError, TrustError
from hubcore.timing.pace import Bucket, Rate
from hubgateway.engine.buckets import Table
from hubgateway.engine.trouble import MovedOnError, complain
from hubgateway.rules import names
from hubgateway.rules.promises import Promises, read

TRIES = 3
_TOLD = Rate(burst=4, per_second=0.1)
_BUSY = Refused(RefusedCause.BUSY, "the backend's engine is away")


class Desk:
    """`promises` mirrors the bucket, and counts while `is_fresh`; `table` is the engine's own.

    `clock` tells Unix seconds, `monotonic` monotonic ones.
    """

    def __init__(
        self,
        table: Table,
        promises: Promises,
        is_fresh: Callable[[], bool],
        of_site: OfSite,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._table = table
        self._promises = promises
        self._is_fresh = is_fresh
        self._of_site = of_site
        self._clock = clock
        self._monotonic = monotonic
        self._asks = Bucket(ASKS)
        self._told = Bucket(_TOLD)

    async def answer(self, data: bytes, curve: bytes) -> FromBackend | None:
        """Answer one message of the machine with this CURVE key, None for nothing."""
        if not self._asks.take(self._monotonic()):
            return Refused(RefusedCause.BUSY, "many ask at once")
        ask = messages.read_ask(data)
        if not isinstance(ask, Ask):
            return ask
        if not self._is_fresh():
            return _BUSY
        promise = self._promises.of(digest_of(ask.secret))
        turn = judge(promise, ask, curve, self._clock())
        if isinstance(turn, Refused):
            return turn
        assert promise is not None  # noqa: S101
        if turn is Turn.BIND:
            return await self._bind(promise.hub, ask, curve)
        return self._say(turn, promise)

    def _say(self, turn: Turn, promise: Promise) -> FromBackend:
        if turn is Turn.ENROL:
            try:
                check_certificates(promise, promise.signed, self._of_site)
                return enrolled(promise, self._of_site)
            except (TrustError, FrameError) as error:
                self._complain(f"hub {promise.hub}: it is not enrolled: {error}")
        return Waiting(self._of_site.site, promise.hub)

    async def _bind(self, hub: str, ask: Ask, curve: bytes) -> FromBackend:
        """Let a token be that of these keys, unless somebody was faster."""
        try:
            for _ in range(TRIES):
                try:
                    return await self._try_to_bind(hub, ask, curve)
                except MovedOnError:
                    continue
        except (StoreError, LinkError) as error:
            self._complain(f"hub {hub} asks with its token, which cannot be kept: {error}")
        return _BUSY

    async def _try_to_bind(self, hub: str, ask: Ask, curve: bytes) -> FromBackend:
        value, revision = await self._table.at(names.PROMISES_BUCKET, hub)
        promise = read(hub, value)
        if promise is not None and promise.digest != digest_of(ask.secret).hex():
            promise = None
        turn = judge(promise, ask, curve, self._clock())
        if isinstance(turn, Refused):
            return turn
        assert promise is not None  # noqa: S101
        if turn is Turn.BIND:
            bound = write_promise(promise.bound_to(ask, curve))
            await self._table.swap(names.PROMISES_BUCKET, hub, bound, revision)
            turn = Turn.WAIT
        return self._say(turn, promise)

    def _complain(self, text: str) -> None:
        """Tell people, at a pace that no machine sets."""
        if self._told.take(self._monotonic()):
            complain(text)
