"""What the people of a site order at the bridge, and what the hubs answer.

How it works: an act makes one order of the site, which is kept and said to the hubs
(`hubbridge.siteorders`). It is answered at once, with the order's id and who is meant. Then
`site-answers` waits for the next answer of a hub, for at most WAIT_SECONDS.

Laws:
1. An order is by the operator that the configuration names for the caller (`operators`), and by
   nobody else.
2. What shuts stands for as long as a hub takes it, unless the caller says less. What opens stands
   only for as long as the caller says.
3. Who waits for answers holds up nobody. A caller that goes leaves the order as it is.
"""

from __future__ import annotations

import asyncio

from hubbridge.local.events import SiteEvents
from hubbridge.local.looks import known_hub
from hubbridge.local.operators import Operators
from hubbridge.local.report.site import SiteReport
from hubbridge.local.report.words import ORDERS, VERBS_TYPED, said
from hubbridge.local.words import (
    Arguments,
    access_point,
    hexadecimal,
    needed_text,
    points,
    text,
    whole,
    yes,
)
from hubbridge.rules.papers import Paper
from hubbridge.siteorders import GivesOrders, GuestAsked
from hubcore.access.grant import GRANT_ID_BYTES, USES_MAX
from hubcore.access.precedence import opens
from hubcore.backend.uplink.words import ID_BYTES, MAX_RELEASE_SECONDS, UINT16_MAX
from hubcore.bridge.ceilings.guests import GUEST_SECONDS_MAX
from hubcore.bridge.site.order import (
    DISABLED_SECONDS_MAX,
    LIFE_SECONDS_MAX,
    CredentialDisabled,
    DoorsOrder,
    GuestAdmitted,
    Ordered,
    SiteOrder,
    SiteRelease,
)
from hubcore.codec import cbor, cose
from hubcore.device.command import LEVELS_OF, Command
from hubcore.errors import FrameError, ProofError
from hubcore.ports.clock import Clock
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role

WAIT_SECONDS = 10


class SiteActs:
    """A method for each call."""

    def __init__(
        self,
        orders: GivesOrders,
        report: SiteReport,
        operators: Operators,
        events: SiteEvents,
        clock: Clock,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._orders = orders
        self._report = report
        self._operators = operators
        self._events = events
        self._clock = clock
        self._wait_seconds = wait_seconds

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("site-answers", self.answers),
            Call("site-order", self.order, role=Role.ACT),
            Call("site-release", self.release, role=Role.ACT),
            Call("site-credential", self.credential, role=Role.ACT),
            Call("site-guest", self.guest, role=Role.ACT),
            Call("site-guest-end", self.guest_end, role=Role.ACT),
            Call("site-device", self.device, role=Role.ACT),
        )

    async def order(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Order doors, or end that; takes {order, on}, and {hub}, {hub, point}, {seconds}."""
        word = needed_text(arguments, "order")
        order = ORDERS.get(word)
        if order is None:
            raise CallRefused("bad-argument", f"`order` is one of {', '.join(ORDERS)}")
        longest = LIFE_SECONDS_MAX[order]
        seconds = whole(arguments, "seconds", 1, longest)
        until = None
        if yes(arguments, "on"):
            if seconds is None and opens(order):
                raise CallRefused("bad-argument", f"{word} opens doors: say for how long")
            until = self._until(longest if seconds is None else seconds)
        point = access_point(arguments)
        hub = self._hub(arguments)
        if point is not None and hub is None:
            raise CallRefused("bad-argument", "an access point is one of a hub: say which hub")
        return await self._give(DoorsOrder(order, point, until), hub, caller)

    async def release(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Release an access point once; takes {hub, point}, and {seconds}."""
        hub = known_hub(self._report, needed_text(arguments, "hub"))
        point = access_point(arguments)
        if point is None:
            raise CallRefused("bad-argument", f"`point` is a number of 1 to {UINT16_MAX}")
        seconds = whole(arguments, "seconds", 1, MAX_RELEASE_SECONDS)
        return await self._give(SiteRelease(point, seconds), hub, caller)

    async def credential(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Disable a credential at all hubs, or end that; takes {credential, on}, and {seconds}."""
        credential = needed_text(arguments, "credential")
        seconds = whole(arguments, "seconds", 1, DISABLED_SECONDS_MAX)
        until = None
        if yes(arguments, "on"):
            until = self._until(DISABLED_SECONDS_MAX if seconds is None else seconds)
        return await self._give(CredentialDisabled(credential, until), None, caller)

    async def guest(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Let a guest in; takes {who, key, points, seconds}, and {hub}, {uses}.

        `key` is the COSE_Key of his phone in hexadecimal digits. The answer has `guest`, by which
        he is ended, and the `grant` for his phone.
        """
        hub = self._hub(arguments)
        seconds = whole(arguments, "seconds", 1, GUEST_SECONDS_MAX)
        if seconds is None:
            raise CallRefused("bad-argument", "`seconds` is missing: for how long?")
        now = int(self._clock.wall())
        try:
            key = cose.read_key(cbor.decode(hexadecimal(arguments, "key")))
        except (ProofError, FrameError) as error:
            raise CallRefused("bad-argument", f"`key` is no key of a phone: {error}") from error
        asked = GuestAsked(
            name=needed_text(arguments, "who"),
            key=key,
            access_points=points(arguments),
            not_before=now,
            expires=now + seconds,
            uses=whole(arguments, "uses", 1, USES_MAX),
        )
        by = self._operator(caller)
        try:
            order, document = await self._orders.admit(asked, by, hub)
        except ProofError as error:
            raise CallRefused("bad-argument", f"No hub would take that: {error}") from error
        answer = self._given(order, caller)
        assert isinstance(order.what, GuestAdmitted)  # noqa: S101 - what was asked for
        return {**answer, "guest": order.what.grant_id.hex(), "grant": document.hex()}

    async def guest_end(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Let a guest in no more; takes {guest}, and {hub}."""
        grant_id = hexadecimal(arguments, "guest", GRANT_ID_BYTES[-1])
        return await self._give(GuestAdmitted(grant_id, None), self._hub(arguments), caller)

    async def device(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Command a device of a hub, once; takes {hub, device, verb}, and {level}."""
        hub = known_hub(self._report, needed_text(arguments, "hub"))
        device = needed_text(arguments, "device")
        word = needed_text(arguments, "verb")
        verb = VERBS_TYPED.get(word)
        if verb is None:
            raise CallRefused("bad-argument", f"`verb` is one of {', '.join(VERBS_TYPED)}")
        levels = LEVELS_OF.get(verb, range(1))
        level = whole(arguments, "level", levels[0], levels[-1])
        try:
            command = Command(device, verb, level)
        except ValueError as error:
            raise CallRefused("bad-argument", f"No device is told that: {error}") from error
        return await self._give(command, hub, caller)

    async def answers(self, arguments: Arguments, _caller: object) -> object:
        """Answer what hubs have answered to {order}, once there are more than {known} of them.

        It waits for {seconds} at the longest, and no longer than until all that are there have.
        """
        key = _id(needed_text(arguments, "order"))
        known = whole(arguments, "known", 0, UINT16_MAX)
        seconds = whole(arguments, "seconds", 0, WAIT_SECONDS) or 0
        try:
            async with asyncio.timeout(min(seconds, self._wait_seconds)):
                while known is not None and not self._is_news(key, known):
                    await self._orders.moved()
        except TimeoutError:
            pass  # who asked looks at what there is, and asks again
        return self._report.orders.answers(self._paper(key))

    def _is_news(self, key: bytes, known: int) -> bool:
        paper = self._paper(key)
        return len(paper.answers) > known or self._report.orders.is_complete(paper)

    def _paper(self, key: bytes) -> Paper:
        paper = self._orders.find(key)
        if paper is None:
            raise CallRefused(
                "unknown-order", "The site has given no such order, or a newer one counts."
            )
        return paper

    def _hub(self, arguments: Arguments) -> str | None:
        name = text(arguments, "hub")
        return None if name is None else known_hub(self._report, name)

    def _until(self, seconds: int) -> int:
        return int(self._clock.wall()) + seconds

    async def _give(self, what: Ordered, hub: str | None, caller: PeerProcess) -> object:
        """Give an order (law 1). Raise CallRefused, or StoreError when it cannot be kept."""
        by = self._operator(caller)
        try:
            order = await self._orders.give(what, by, hub)
        except ProofError as error:
            raise CallRefused("bad-argument", f"No hub would take that: {error}") from error
        return self._given(order, caller)

    def _given(self, order: SiteOrder, caller: PeerProcess) -> dict[str, object]:
        self._events.ordered(order, said(order.what), caller.uid)
        return self._report.orders.answers(self._paper(order.id))

    def _operator(self, caller: PeerProcess) -> str:
        """Return the operator by whom a caller orders. Raise CallRefused."""
        by = self._operators.of(caller.uid)
        if not by:
            raise CallRefused(
                "no-operator",
                f"Nobody has said by which operator of the policy user {caller.uid} orders: name "
                "one in [api.operators] of hubbridge.toml, and start hubbridge again.",
            )
        why_not = self._orders.why_not()
        if why_not:
            raise CallRefused("no-key", f"Nothing was ordered: {why_not}")
        return by


def _id(shown: str) -> bytes:
    try:
        key = bytes.fromhex(shown)
    except ValueError:
        key = b""
    if len(key) != ID_BYTES:
        raise CallRefused("bad-argument", f"`order` is an id of {2 * ID_BYTES} hexadecimal digits")
    return key
