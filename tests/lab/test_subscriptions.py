"""Who has subscribed is told, whoever else leaves: notifications by PropertiesChanged reach every
subscriber.

BlueZ's other way, AcquireNotify, gives an application one socket a phone, and is shown here for
what it does: up to 5.68 the one socket belongs to all; later, when any phone leaves, BlueZ ends the
socket of the one that came first (BlueZ issue 1452), which hears no more. So a stranger could mute
an honest phone, and hubd does without it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from bumble import att
from bumble.core import UUID
from bumble.device import Connection, Peer

from hubcore.phone import gatt
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab import acquire_app
from tests.lab.apps import running
from tests.lab.attlink import error_of, handle, request
from tests.lab.conftest import AirAddress, allowed

NOTIFY = 1
INDICATE = 2
CCC_IMPROPER = 0xFD
HEARD_SECONDS = 3.0
MUTED_SECONDS = 1.0
ONE_SOCKET_EACH = (5, 69)
"""The first BlueZ that asks for one socket a phone."""


class NotifiedLink:
    """A link on which an answer must come by itself: nothing is read. Implements PhoneLink."""

    def __init__(self, link: BumbleLink) -> None:
        self.mtu = link.mtu
        self.notifications = link.notifications
        self.read_info = link.read_info
        self.write = link.write

    async def pull(self) -> bytes:
        raise AssertionError("no notification came")


async def test_who_subscribed_first_is_answered_when_the_others_have_left(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """And who subscribed last, when the first has left."""
    async with AsyncExitStack() as stack:
        devices = [await stack.enter_async_context(on_air(air.transport)) for _ in range(4)]
        async with connect(devices[0]) as first:
            async with connect(devices[1]) as stays:
                async with connect(devices[2]), connect(devices[3]) as leaves:
                    assert allowed(await Session(NotifiedLink(first), phones[0]).run(1))
                    await leaves._of(gatt.TX).unsubscribe(leaves._take)
                assert allowed(await Session(NotifiedLink(first), phones[0]).run(1))
                assert allowed(await Session(NotifiedLink(stays), phones[1]).run(1))
            assert allowed(await Session(NotifiedLink(first), phones[0]).run(1))
        async with connect(devices[1]) as early, AsyncExitStack() as first_to_go:
            late = await stack.enter_async_context(connect(devices[2]))
            first_to_go.push_async_callback(early.connection.disconnect)
            await first_to_go.aclose()
            assert allowed(await Session(NotifiedLink(late), phones[2]).run(1))


@pytest.mark.parametrize("mtu", [23, 247])
async def test_without_a_subscription_the_answer_is_read(
    hub: LabHub, air: AirAddress, phones: list[Wallet], mtu: int
) -> None:
    async with on_air(air.transport) as device, connect(device, mtu, subscribe=False) as link:
        # and asks for none
        link.connection.gatt_client.notification_subscribers[handle(link, gatt.TX)] = {link._take}
        assert allowed(await Session(link, phones[0], pull_only=True).run(1))
        assert link.notifications.empty(), "who has not subscribed is notified"


async def test_subscribing_oddly_does_no_harm(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device, connect(device, 247, subscribe=False) as link:
        tx = handle(link, gatt.TX)
        client = link.connection.gatt_client
        await client.discover_descriptors(start_handle=tx + 1, end_handle=tx + 1)
        for bits in (NOTIFY, NOTIFY, 0, NOTIFY | INDICATE, 0, NOTIFY):
            pdu = att.ATT_Write_Request(attribute_handle=tx + 1, attribute_value=bytes([bits, 0]))
            answer = await request(link, pdu)
            if bits & INDICATE:
                assert error_of(answer) == CCC_IMPROPER
            else:
                assert isinstance(answer, att.ATT_Write_Response), answer
        client.notification_subscribers[tx] = {link._take}  # the CCC as it was written last
        assert allowed(await Session(NotifiedLink(link), phones[0]).run(1))


async def test_who_subscribes_after_the_first_frame_is_told(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device:
        async with connect(device) as link:
            # so that the next is one message each way
            assert allowed(await Session(link, phones[0]).run(1))
        async with connect(device, 23, subscribe=False) as link:
            written = 0

            async def subscribes(frame: bytes) -> None:
                nonlocal written
                await link.write(frame)
                written += 1
                if written == 1:
                    await link._of(gatt.TX).subscribe(link._take)

            late = NotifiedLink(link)
            late.write = subscribes
            assert allowed(await Session(late, phones[0]).run(1))
        assert written > 1


class Ticks:
    """What a phone hears of the service in `acquire_app`."""

    def __init__(self) -> None:
        self.heard = asyncio.Event()
        self.count = 0

    def take(self, _: bytes) -> None:
        self.count += 1
        self.heard.set()

    async def listen(self, connection: Connection) -> None:
        (service,) = await Peer(connection).discover_service(UUID(acquire_app.SERVICE))
        (ticks,) = await service.discover_characteristics()
        await ticks.subscribe(self.take)

    async def hears(self, seconds: float = HEARD_SECONDS) -> bool:
        """Tell whether a tick comes within so many seconds."""
        self.heard.clear()
        try:
            async with asyncio.timeout(seconds):
                await self.heard.wait()
        except TimeoutError:
            return False
        return True


async def test_acquired_notifications_are_why_hubd_does_without_them(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], bluez: tuple[int, int]
) -> None:
    honest = Ticks()
    stranger = Ticks()
    transport = air.transport
    async with on_air(transport) as one, on_air(transport) as two:
        async with running(guest, acquire_app) as app, connect(one) as link:
            await honest.listen(link.connection)
            async with connect(two) as other:
                await stranger.listen(other.connection)
                assert await honest.hears()
                assert await stranger.hears()
            muted = bluez >= ONE_SOCKET_EACH
            if muted:
                await app.said("ended 1", MUTED_SECONDS)
            assert await honest.hears() is not muted
            assert await app.story() == [
                "registered",
                "acquired 1",
                *(["acquired 2", "ended 1"] if muted else []),
            ]
        async with connect(one) as link:  # anew: hubd sends away who has asked nothing for 5 s
            assert allowed(await Session(NotifiedLink(link), phones[0]).run(1)), "hubd's own way"
