"""A phone that leaves at any moment leaves nothing behind: no link, no task, no session for who
comes after it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from hubcore.phone.framing import Flag
from hubsim.phone.attempt import Session
from hubsim.phone.radio import CONNECT_SECONDS, BumbleLink, connect, find, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from lab.vitals import Vitals, lull
from tests.lab.conftest import AirAddress, allowed

MTU = 64
REST_SECONDS = 15.0
"""A decision whose phone has gone is carried out all the same."""


class Leaves:
    """A link whose phone leaves by `leave` when `moment` comes for the `count`-th time. Implements
    PhoneLink.

    The moments, in their order: "connected", "challenged" (INFO is read), "frame" (one is written
    and answered), "last" (that frame was the last of its message).
    """

    def __init__(self, link: BumbleLink, moment: str, count: int) -> None:
        self._link = link
        self._moment = moment
        self._left = count
        self.mtu = link.mtu
        self.notifications = link.notifications
        self.pull = link.pull

    async def read_info(self) -> bytes:
        self._comes("connected")
        value = await self._link.read_info()
        self._comes("challenged")
        return value

    async def write(self, frame: bytes) -> None:
        await self._link.write(frame)
        self._comes("frame")
        if frame[0] & Flag.LAST:
            self._comes("last")

    def _comes(self, moment: str) -> None:
        self._left -= moment == self._moment
        if not self._left:
            raise Leaving


class Leaving(Exception):
    """The moment to leave has come."""


async def _visit(air: AirAddress, wallet: Wallet, moment: str, count: int, silently: bool) -> None:
    """Connect, attempt to unlock, and leave in its midst; silently when the phone's controller goes
    at once.
    """
    async with AsyncExitStack() as radio:
        device = await radio.enter_async_context(on_air(air.transport))
        async with asyncio.timeout(CONNECT_SECONDS):
            link = BumbleLink(await device.connect(await find(device)))
            await link.prepare(MTU)
        if moment == "decided":
            assert allowed(await Session(link, wallet).run(1))
        else:
            with pytest.raises(Leaving):
                await Session(Leaves(link, moment, count), wallet).run(1)
        if silently:
            return
        await link.connection.disconnect()
        async with connect(device, MTU) as link:  # from the same address
            assert allowed(await Session(link, wallet).run(1))


async def _rests_as(guest: Guest, before: Vitals) -> None:
    """Wait until the hub has no more tasks than before and no link; a link that only a deadline
    ended was refused.
    """
    ends = time.monotonic() + REST_SECONDS
    while (now := await lull(guest)).tasks > before.tasks:
        assert time.monotonic() < ends, f"{now.tasks} tasks, {before.tasks} before"
        await asyncio.sleep(0.2)
    assert now.refused == before.refused
    assert now.of["hubd"].descriptors == before.of["hubd"].descriptors


LONG = [
    ("connected", 1),
    ("challenged", 1),
    *(("frame", count) for count in (1, 2, 3, 5, 9)),
    ("last", 1),
    ("last", 2),
]
SHORT = [("challenged", 1), ("frame", 1), ("frame", 3), ("last", 1)]


@pytest.mark.parametrize("silently", [False, True], ids=["saying so", "silently"])
@pytest.mark.parametrize(("moment", "count"), [*LONG, ("decided", 1)])
async def test_a_phone_that_leaves_a_long_unlock(
    hub: LabHub,
    guest: Guest,
    air: AirAddress,
    phones: list[Wallet],
    moment: str,
    count: int,
    silently: bool,
) -> None:
    before = await lull(guest)
    await _visit(air, phones[0], moment, count, silently)
    await _rests_as(guest, before)
    async with on_air(air.transport) as device, connect(device, MTU) as link:  # from a new address
        assert allowed(await Session(link, phones[0]).run(1))


@pytest.mark.parametrize(("moment", "count"), [*SHORT, ("decided", 1)])
async def test_a_phone_that_leaves_a_short_unlock(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], moment: str, count: int
) -> None:
    async with on_air(air.transport) as device, connect(device, MTU) as link:
        assert allowed(await Session(link, phones[0]).run(1))
    before = await lull(guest)
    await _visit(air, phones[0], moment, count, silently=False)
    await _rests_as(guest, before)
