"""Brings each change to the hubs, and keeps which hub has which policy.

How it works: a part with a loop of its own, and with its laws (`hubsite.looping`). It waits for
the bell of the acts, at most PULSE_SECONDS, because acts are written by other processes, too. Then
it lets the office sign what changed, gives the engine what it has not, and reads what hubs have
answered.

Laws:
1. What was signed and not put is put, after each start and each lost connection.
2. Time alone changes what counts: a grant begins or ends. So rows are read again every
   AGAIN_SECONDS.
3. A failure is said on the page and in the journal, once for each cause, and tried again. Who does
   not sign is asked again after SIGN_AGAIN_SECONDS, whatever changes meanwhile. The list of what
   is revoked, which phones carry, is asked for after its policy is put, and holds up none. Nor does
   what is taken out of the engine behind a policy (`hubsite.hubs.putting`).
4. What needs no look at each phone's grant is signed and put first (office, law 5).
5. While the engine has a newer policy than was signed here, nothing is signed and nothing is put
   until an operator goes on (`hubsite.hubs.behind`). All else goes on.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial

from hubcore.errors import HubError, LinkError, PeerError, StoreError, TrustError
from hubsite.acts.bell import BELL
from hubsite.config import Engine
from hubsite.hubs import kept
from hubsite.hubs.behind import Behind, is_behind, is_harmless, known_version
from hubsite.hubs.engine import HubsEngine
from hubsite.hubs.newest import newest_of_site, newest_policy
from hubsite.hubs.office import Office, acts_so_far
from hubsite.hubs.putting import Put, put_policy, take_out_older
from hubsite.looping import Looping
from hubsite.register.models import SignedPolicy

PULSE_SECONDS = 1.0
AGAIN_SECONDS = 60.0
HUBS_SECONDS = 10.0
SIGN_AGAIN_SECONDS = 5.0
"""After a refusal, whatever changes meanwhile: a signer has a pace of its own."""

Renew = Callable[[int, int], SignedPolicy | None]
"""Signs what is to be said at a moment, above a version; None for nothing new."""


def _no_orders(_said: object) -> None:
    """Without orders nobody waits for answers to them."""


class Publisher(Looping):
    """Runs until it is stopped; `problem` is what is wrong now, "" for nothing.

    `behind` is what an operator has to look at first (law 5), None for nothing. `is_level`: the
    engine was reached, and there is nothing to look at.
    """

    def __init__(
        self, office: Office, engine: Engine, keep_orders: kept.KeepOrders = _no_orders
    ) -> None:
        """`keep_orders` keeps what hubs answer to orders."""
        super().__init__("Changes for hubs", "hubsite.hubs")
        self._keep_orders = keep_orders
        self._office = office
        self._engine = engine
        self._acts = -1
        self._read_at = 0.0
        self._hubs_at = 0.0
        self._not_before = 0.0
        self._is_listed = False
        self._list_not_before = 0.0
        self._list_problem = ""
        self._put_last: Put | None = None
        self._take_out_not_before = 0.0
        self._old_problem = ""
        self.behind: Behind | None = None
        self.is_level = False
        self._unread_at = 0.0
        self._harmless: tuple[int, int] | None = None
        self._problem = "The hubs' engine was not reached yet."

    def start(self) -> None:
        """Begin, in a thread of its own, which the bell of the acts wakes."""
        BELL.listen(self.ring)
        super().start()

    def stop(self) -> None:
        """End, and wait for the end."""
        BELL.leave(self.ring)
        super().stop()

    def looks_first(self) -> bool:
        """Tell whether an operator has to look before anything new is signed, or may have to.

        Nobody knows yet where a copy was put in place and the engine was not reached since.
        """
        return self.behind is not None or (not self.is_level and kept.is_restored())

    async def serve(self) -> None:
        """Serve on one connection until it is lost, or all is stopped. Raise HubError."""
        engine = HubsEngine(self._engine)
        self._hubs_at = 0.0
        try:
            await engine.connect()
            await engine.listen(self._changed.set)
            above = await engine.highest_version()
            while engine.is_up and not self.is_stopped:
                await self._turn(engine, above)
                await self.wait(PULSE_SECONDS)
        finally:
            await engine.close()

    async def _turn(self, engine: HubsEngine, above: int) -> None:
        """Bring what has changed, and read what was answered. Raise HubError."""
        self.behind = await self._look_behind(engine, above)
        if self.behind is None and not self.is_level:
            await self.with_rows(kept.mark_compared)
        self.is_level = self.behind is None
        problem = await self._bring(engine, above) if self.behind is None else self.behind.problem
        await self._look_for_hubs(engine)
        await self._read_answers(engine)
        self.found(problem)

    async def _look_behind(self, engine: HubsEngine, above: int) -> Behind | None:
        """Keep law 5; the engine's policy is read once, or again after AGAIN_SECONDS."""
        known = await self.with_rows(known_version)
        if not is_behind(known, above) or (known, above) == self._harmless:
            return None
        before = self.behind
        if before is not None and before.here == known and before.looked_from == above:
            is_due = before.policy is None and time.monotonic() - self._unread_at > AGAIN_SECONDS
            if not is_due:
                return before
        behind = await self._read_behind(engine, known, above)
        now = int(time.time())
        if not known and behind and await self.with_rows(partial(is_harmless, behind, now)):
            behind = None
        if behind is None:
            self._harmless = (known, above)
        return behind

    async def _read_behind(self, engine: HubsEngine, known: int, above: int) -> Behind | None:
        """Read the policy that may be newer; None where hubs of this site have taken none."""
        office = self._office
        there = above
        try:
            if not known:
                there = await newest_of_site(engine, office.signer.issuer, office.site)
            if not there:
                return None
            policy = await newest_policy(engine, there, office.signer.issuer, office.site)
        except (TrustError, PeerError, StoreError) as error:
            self._unread_at = time.monotonic()
            return Behind(there, known, None, str(error), above)
        return Behind(there, known, policy, "", above)

    async def _bring(self, engine: HubsEngine, above: int) -> str:
        """Have signed what has changed, and put it; return what is wrong. Raise HubError."""
        put = partial(self._put, engine)
        problem = ""
        try:
            await self._renew(put, above)
        except HubError as error:  # nobody signs: what was signed before is put all the same
            problem = str(error)
        await put()
        await self._renew_list()
        await self._take_out(engine)
        return problem or self._list_problem or self._old_problem

    async def _put(self, engine: HubsEngine) -> None:
        """Give the engine the newest policy, unless it has it. Raise HubError."""
        waits = await self.with_rows(kept.policy_to_put)
        if waits is not None:
            version, whole = waits
            self._put_last = await put_policy(engine, version, whole)
            await self.with_rows(partial(kept.mark_put, version))

    async def _take_out(self, engine: HubsEngine) -> None:
        """Take out what the newest policy has replaced, with a failure of its own (law 3)."""
        now = time.monotonic()
        if self._put_last is None or now < self._take_out_not_before:
            return
        try:
            await take_out_older(engine, self._put_last)
        except HubError as error:
            self._take_out_not_before = now + AGAIN_SECONDS
            self._old_problem = f"Older policies stay in the engine: {error}"
        else:
            self._put_last = None
            self._old_problem = ""

    async def _renew_list(self) -> None:
        """Let the office sign the list of the newest policy, with a failure of its own (law 3)."""
        now = time.monotonic()
        if self._is_listed or now < self._list_not_before:
            return
        try:
            await self.with_rows(lambda: self._office.renew_list(int(time.time())))
        except HubError as error:
            self._list_not_before = now + SIGN_AGAIN_SECONDS
            self._list_problem = f"Phones carry no newer list of what was revoked: {error}"
        else:
            self._is_listed = True
            self._list_problem = ""

    async def _renew(self, put: Callable[[], Awaitable[None]], above: int) -> None:
        """Let the office sign where something has changed, or it is time to look (laws 2 and 4)."""
        acts = await self.with_rows(acts_so_far)
        now = time.monotonic()
        if acts == self._acts and now - self._read_at < AGAIN_SECONDS:
            return
        if now < self._not_before:
            raise LinkError(self._problem)
        if await self._signed(self._office.renew_at_once, above) is not None:
            await put()
        await self._signed(self._office.renew_policy, above)
        self._is_listed = False
        self._acts = acts
        self._read_at = now

    async def _signed(self, renew: Renew, above: int) -> SignedPolicy | None:
        """Let the office sign. Raise HubError; then it is asked again later (law 3)."""
        self._not_before = time.monotonic() + SIGN_AGAIN_SECONDS
        signed = await self.with_rows(lambda: renew(int(time.time()), above))
        self._not_before = 0.0
        return signed

    async def _look_for_hubs(self, engine: HubsEngine) -> None:
        if time.monotonic() - self._hubs_at < HUBS_SECONDS:
            return
        hubs = await engine.hubs()
        await self.with_rows(lambda: kept.replace_hubs(hubs))
        self._hubs_at = time.monotonic()

    async def _read_answers(self, engine: HubsEngine) -> None:
        place = await self.with_rows(kept.place_read)
        while True:
            said, read = await engine.answers(place)
            if read == place:
                return
            await self.with_rows(partial(kept.record_answers, said, read, self._keep_orders))
            place = read
