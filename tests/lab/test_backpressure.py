"""What waits, waits for one phone only: BlueZ holds the answer to a read or write until hubd gives
it, for at most 5 s.

RX is `write` alone, so that a phone cannot write faster than the hub takes: were there
`write-without-response` beside it, BlueZ would answer every write at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from bumble import att
from bumble.core import UUID
from bumble.device import Peer

from hubcore.phone import gatt
from hubcore.phone.framing import Outbound
from hubcore.phone.messages import decode_challenge
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.ending import end
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.attlink import error_of, gone, write
from tests.lab.conftest import AirAddress, allowed

HELD_SECONDS = 2.0
"""How long a write is left without an answer: the case's own time. BlueZ fails it after 5 s."""
LEAVERS = 6
LEAVES_SECONDS = 0.2
GIVEN_UP_SECONDS = 6.0


@asynccontextmanager
async def frozen(hub: LabHub, guest: Guest) -> AsyncIterator[None]:
    """Freeze the daemon while inside: it answers nothing, and gets everything when it thaws."""
    pid = str(await hub.pid())
    await guest.run("kill", "-STOP", pid)
    try:
        yield
    finally:
        await guest.run("kill", "-CONT", pid)


async def first_frame(link: BumbleLink) -> bytes:
    """Return a frame that the hub takes: the first part of a message that goes on."""
    out = Outbound(decode_challenge(await link.read_info()).sid)
    out.load(bytes(1000))
    return bytes(out.pull(link.mtu))


@pytest.mark.reckons
async def test_phones_that_read_what_is_not_there_and_leave_take_nothing_down(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """BlueZ gives a request up 5 s after it came, and its phone may have left by then (bluez issue
    2447).
    """
    before = await guest.main_pid("bluetooth")
    for _ in range(LEAVERS):
        async with on_air(air.transport) as device, connect(device) as link:
            await link.read_info()
            async with asyncio.timeout(HELD_SECONDS):
                assert await link.pull() == b""
        async with on_air(air.transport) as device, connect(device) as link:
            await link.read_info()
            reading = asyncio.create_task(link.pull())
            await asyncio.sleep(LEAVES_SECONDS)
            await end((reading,))
    await asyncio.sleep(GIVEN_UP_SECONDS)
    async with on_air(air.transport) as device, connect(device) as link:
        assert allowed(await Session(link, phones[0]).run(1))
    assert await guest.main_pid("bluetooth") == before


async def test_a_write_is_answered_when_the_hub_has_taken_it_and_not_before(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """Another phone meanwhile gets from BlueZ what needs no hub.

    No session alone can be made slow: hubd takes a frame in one step that waits for nothing, and
    what is costly of it (RSA) is done elsewhere, later; so the whole daemon is frozen here. How
    phones fare beside those that keep its RSA busy, test_strangers.py says (`forges`).
    """
    async with (
        on_air(air.transport) as one,
        on_air(air.transport) as two,
        connect(one) as link,
        connect(two) as other,
    ):
        frame = await first_frame(link)
        await other.read_info()
        async with asyncio.TaskGroup() as tasks, frozen(hub, guest):
            writing = tasks.create_task(write(link, frame))
            async with asyncio.timeout(HELD_SECONDS):
                assert await Peer(other.connection).discover_service(UUID(gatt.SERVICE))
            await asyncio.sleep(HELD_SECONDS)
            assert not writing.done(), "answered by somebody else"
        assert isinstance(writing.result(), att.ATT_Write_Response)
        for phone, way in ((phones[0], link), (phones[1], other)):
            assert allowed(await Session(way, phone).run(1))


async def test_a_write_that_the_hub_takes_too_late_is_refused_and_its_late_answer_does_no_harm(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    pid = await hub.pid()
    async with (
        on_air(air.transport) as one,
        on_air(air.transport) as two,
        connect(one) as link,
        connect(two) as other,
    ):
        frame = await first_frame(link)
        # who has read nothing within 5 s is sent away, also when the hub could not answer
        await other.read_info()
        async with frozen(hub, guest):
            assert error_of(await write(link, frame)), "BlueZ has not given up"
        for phone, way in ((phones[0], link), (phones[1], other)):
            assert allowed(await Session(way, phone).run(1))
    assert await hub.pid() == pid


async def test_a_link_that_is_over_takes_nothing_more(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """The hub has said goodbye; what still comes is refused until the phone has gone, with an error
    of applications.
    """
    async with on_air(air.transport) as one, on_air(air.transport) as two, connect(two) as other:
        async with connect(one) as link:
            frame = await first_frame(link)
            assert error_of(await write(link, b"noise")) == gatt.APPLICATION_ERROR
            assert error_of(await write(link, frame)) == gatt.APPLICATION_ERROR
            await gone(link)
        assert allowed(await Session(other, phones[0]).run(1))
        async with connect(one) as link:
            assert allowed(await Session(link, phones[1]).run(1))
