"""The reference phone around its machine: what it keeps, and how it listens on a link that loses
and repeats.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubcore.access.grant import Access
from hubcore.access.words import Action
from hubcore.codec import cbor
from hubcore.errors import LinkError
from hubcore.phone.certificates import CertificateInForce, HubCertificate, issue_hub_certificate
from hubcore.phone.framing import MTU_MIN, Flag, control_frame, decode_frame
from hubcore.phone.messages import GET_EPOCH, EpochAnswer, Reason, decode_to_phone
from hubsim import site
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import PhoneLink
from hubsim.phone.street import ask
from hubsim.phone.wallet import WISH_SECONDS, Wallet, load, save
from hubsim.site import OPEN_AND_QUERY
from tests.fakes.clock import NOON
from tests.pair import DAY, SITE, DeskHub, NotifiedAir, Phone, Visit, make_wallet

DOOR = (1, Action.OPEN)


@pytest.fixture
def hub() -> DeskHub:
    return DeskHub(site.make_key())


async def taught(hub: DeskHub) -> Wallet:
    """A wallet with a ticket, an epoch, and a wish without an answer."""
    wallet = make_wallet(hub.issuer)
    phone = Phone(hub, wallet)
    await phone.visit()
    wallet.full_path_at.add(2)
    wallet.asked(2, Action.QUERY, bytes(range(8)), NOON)
    return wallet


@pytest.mark.asyncio
async def test_what_a_phone_has_learned_is_read_back(hub: DeskHub, tmp_path: Path) -> None:
    wallet = await taught(hub)
    save(wallet, tmp_path)
    again = load(tmp_path)
    assert again.tickets == wallet.tickets
    assert [ticket.access_points for ticket in again.tickets.values()] == [frozenset({1, 2})]
    assert (again.full_path_at, again.unanswered) == ({2}, wallet.unanswered)
    assert list(again.epochs) == list(wallet.epochs)


@pytest.mark.asyncio
async def test_tickets_that_were_kept_without_their_scope_are_worth_nothing(
    hub: DeskHub, tmp_path: Path
) -> None:
    save(await taught(hub), tmp_path)
    caches = cbor.decode((tmp_path / "caches.cbor").read_bytes())
    old = {kid: ticket[:5] for kid, ticket in caches["tickets"].items()}
    assert old
    (tmp_path / "caches.cbor").write_bytes(
        cbor.encode({"epochs": caches["epochs"], "tickets": old})
    )
    again = load(tmp_path)
    assert (again.tickets, again.full_path_at, again.unanswered) == ({}, set(), {})


def test_a_wish_keeps_its_op_until_it_is_answered_and_no_longer_than_the_hub(hub: DeskHub) -> None:
    wallet = make_wallet(hub.issuer)
    drawn = iter(bytes([n]) * 8 for n in range(9))

    def op(wall: float, action: Action = Action.OPEN) -> bytes:
        return wallet.op_for(1, action, wall, lambda _: next(drawn))

    first = op(NOON)
    wallet.asked(*DOOR, first, NOON)
    assert op(NOON + 1, Action.QUERY) != first
    wallet.asked(*DOOR, first, NOON + 100)  # asked once more: the first time counts
    assert op(NOON + WISH_SECONDS) == first
    assert op(NOON + WISH_SECONDS + 1) != first
    assert op(NOON - 1) != first  # the clock went back
    wallet.answered(*DOOR)
    assert op(NOON + 2) != first


class LossyLink:
    """A link to a hub in memory that may lose or repeat what is notified. Implements PhoneLink."""

    def __init__(self, hub: DeskHub, mtu: int, heard: Callable[[int, bytes], list[bytes]]) -> None:
        self.hub = hub
        self.address = ""
        self.mtu = mtu
        self.notifications = asyncio.Queue[bytes]()
        self._heard = heard
        self._count = 0
        self.pulls = 0
        self.visit = Visit(hub.connect())
        self._air = NotifiedAir(hub, self.visit, mtu, self._notify)
        self.cut_after: int | None = None

    async def read_info(self) -> bytes:
        return self._air.read_info()

    async def write(self, frame: bytes) -> None:
        if self.cut_after is not None:
            self.cut_after -= 1
            if self.cut_after < 0:
                raise LinkError("phone: the hub has left")
        await self._air.write(frame)

    async def pull(self) -> bytes:
        self.pulls += 1
        return self.visit.link.pull(self.mtu)

    def _notify(self, frame: bytes) -> None:
        for each in self._heard(self._count, frame):
            self.notifications.put_nowait(each)
        self._count += 1


def all_of_it(_: int, frame: bytes) -> list[bytes]:
    return [frame]


async def unlock(link: LossyLink, wallet: Wallet) -> Report:
    """Ask once, in a time that no wait of a phone exceeds."""
    async with asyncio.timeout(20.0):
        return await Session(link, wallet, wall=link.hub.clock.wall).run(1)


@pytest.mark.asyncio
@pytest.mark.parametrize("mtu", [MTU_MIN, 247])
@pytest.mark.parametrize(
    ("heard", "pulls"),
    [
        pytest.param(all_of_it, 0, id="all"),
        pytest.param(lambda _, frame: [frame, frame], 0, id="twice"),
        pytest.param(
            lambda number, frame: [] if number % 3 == 1 else [frame], None, id="every third lost"
        ),
        pytest.param(
            lambda _, frame: [control_frame(Flag.BYE, bytes(4), 0), b"noise", frame],
            0,
            id="others'",
        ),
    ],
)
async def test_a_cold_phone_opens_whatever_happens_to_notifications(
    hub: DeskHub, mtu: int, heard: Callable[[int, bytes], list[bytes]], pulls: int | None
) -> None:
    link = LossyLink(hub, mtu, heard)
    report = await unlock(link, make_wallet(hub.issuer))
    assert report.verdict is not None, report.why
    assert report.verdict.allowed, report.verdict
    assert pulls is None or link.pulls == pulls


@pytest.mark.asyncio
async def test_a_link_that_ends_is_told_and_the_wish_is_kept(hub: DeskHub) -> None:
    wallet = make_wallet(hub.issuer)
    await unlock(LossyLink(hub, 247, all_of_it), wallet)
    link = LossyLink(
        hub, 247, lambda _, frame: [control_frame(Flag.BYE, decode_frame(frame).sid, 0)]
    )
    with pytest.raises(LinkError, match="goodbye"):
        await unlock(link, wallet)
    (asked,) = wallet.unanswered.values()
    assert wallet.op_for(*DOOR, hub.clock.wall() + 1, bytes) == asked.op
    link = LossyLink(hub, 247, all_of_it)
    link.cut_after = 2
    with pytest.raises(LinkError, match="has left"):
        await unlock(link, wallet)


@pytest.mark.asyncio
async def test_a_hub_at_another_door_is_passed_by(hub: DeskHub) -> None:
    """With one op; and when all hubs in sight stand elsewhere, that is said."""
    elsewhere = hub
    here = DeskHub(hub.issuer, hub.clock, "hub-2")
    points = HubCertificate(
        SITE, "hub-2", int(NOON) - DAY, int(NOON) + DAY, here.identity.verify_key, (3,)
    )
    certificate = issue_hub_certificate(hub.issuer, points, here.identity.cose_key)
    in_force = CertificateInForce.of(certificate, hub.issuer.verify_key)
    here.side = dataclasses.replace(here.side, certificate=in_force)
    wallet = make_wallet(hub.issuer, access=(Access(3, OPEN_AND_QUERY, ()),))
    street = {"A": elsewhere, "B": here}
    tried: list[str] = []

    @asynccontextmanager
    async def connect(passed_by: frozenset[str]) -> AsyncIterator[LossyLink]:
        left = [address for address in street if address not in passed_by]
        if not left:
            raise LinkError("phone: the hubs in sight stand at other doors")
        tried.append(left[0])
        link = LossyLink(street[left[0]], 247, all_of_it)
        link.address = left[0]
        yield link

    async def verdict(_: Session, report: Report) -> Report:
        return report

    def session(link: PhoneLink, wallet: Wallet) -> Session:
        return Session(link, wallet, wall=hub.clock.wall)

    op = bytes(range(8))
    async with asyncio.timeout(20.0):
        report = await ask(connect, wallet, 3, Action.OPEN, op, verdict, session)
        assert (tried, report.op) == (["A", "B"], op)
        assert report.verdict is not None, report.why
        # the hub of the test knows doors 1 and 2; it was asked
        assert report.verdict.reason is Reason.NO_RIGHT
        assert wallet.epochs
        street.pop("B")
        with pytest.raises(LinkError, match="stand at other doors"):
            await ask(connect, wallet, 3, Action.OPEN, op, verdict, session)


@pytest.mark.asyncio
async def test_who_makes_no_attempt_hears_whole_messages_too(hub: DeskHub) -> None:
    link = LossyLink(hub, MTU_MIN, lambda number, frame: [] if number == 1 else [frame])
    session = Session(link, make_wallet(hub.issuer))
    await session.read_info()
    await session.send(GET_EPOCH)
    async with asyncio.timeout(20.0):
        answer = await session.message(5.0)
        assert isinstance(decode_to_phone(answer or b""), EpochAnswer)
        assert await session.message(0.05) is None
