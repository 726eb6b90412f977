"""An unlock through the whole stack: radio, BlueZ, D-Bus, the sandboxed daemon, the kernel's GPIO
line.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from hubcore.door.state import DoorState
from hubcore.phone.framing import decode_frame
from hubcore.phone.messages import Reason, decode_challenge
from hubd.doors.unlock import LATE_SECONDS
from hubsim.phone.attempt import Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import STRIKE_SECONDS, LabHub
from tests.lab.attlink import RecordingQueue
from tests.lab.conftest import AirAddress, allowed
from tests.lab.unlocking import unlock

SMALL_MTU = 64
STEPS = 10
"""At that MTU an unlock of a new phone is more frames than these."""
STEP_SECONDS = 10.0
STOPPED_SECONDS = LATE_SECONDS + 1.5
FALLS_SECONDS = 2.0
"""How long the guest may take to let a strike fall back and to tell so, beside the pulse itself."""


async def test_a_long_unlock_then_a_short_one_each_with_its_strike(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    async with on_air(air.transport) as device:
        for short in (False, True):
            async with connect(device) as link, asyncio.TaskGroup() as tasks:
                seen = tasks.create_task(hub.strike_seen(20))
                report = await Session(link, phones[0]).run(1)
                assert report.verdict is not None, report.why
                assert (report.verdict.allowed, report.verdict.reason) == (True, Reason.OK)
                assert report.verdict.door is DoorState.RELEASED
                assert report.short is short
            assert seen.result(), "the strike's line was never driven"
            async with asyncio.timeout(
                STRIKE_SECONDS + FALLS_SECONDS
            ):  # the release ends by itself
                while await hub.strike():  # noqa: ASYNC110 (another machine's)
                    await asyncio.sleep(0.05)
    journal = await hub.journal()
    assert '"path":"full"' in journal
    assert '"path":"short"' in journal


class Stopped:
    """A link whose first frame is written while the hub's process is stopped.

    Implements PhoneLink.
    """

    def __init__(self, link: BumbleLink, guest: Guest, process: int) -> None:
        self._link = link
        self._guest = guest
        self._process = str(process)
        self.mtu = link.mtu
        self.notifications = link.notifications
        self.read_info = link.read_info
        self.pull = link.pull
        self._waits = True

    async def write(self, frame: bytes) -> None:
        if not self._waits:
            return await self._link.write(frame)
        self._waits = False
        await self._guest.run("kill", "-STOP", self._process)
        try:
            written = asyncio.create_task(self._link.write(frame))
            await asyncio.sleep(STOPPED_SECONDS)
        finally:
            await self._guest.run("kill", "-CONT", self._process)
        return await written


async def test_a_resume_that_waited_for_a_stopped_hub_moves_nothing_and_a_retry_does(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    """BlueZ hands on what came meanwhile without a word about when: it counts from when the hub
    stood still.
    """
    await unlock(air, phones[0])
    cursor = await hub.journal_ends()
    async with on_air(air.transport) as device, connect(device) as link:
        report = await Session(Stopped(link, guest, await hub.pid()), phones[0]).run(1)
    assert allowed(report), report.why
    assert report.round_trips == 2
    journal = await hub.journal_after(cursor)
    assert journal.index('"why":"too-late"') < journal.index('"allowed":true')


class InStep:
    """A link whose first writes wait each for the others' of the same number.

    Implements PhoneLink.
    """

    def __init__(self, link: BumbleLink, step: asyncio.Barrier) -> None:
        self._link = link
        self._step = step
        self.mtu = link.mtu
        self.pull = link.pull
        self.notifications = self.heard = link.notifications = RecordingQueue()
        self.sid = b""
        self.written = 0

    async def read_info(self) -> bytes:
        value = await self._link.read_info()
        self.sid = decode_challenge(value).sid
        return value

    async def write(self, frame: bytes) -> None:
        if self.written < STEPS:
            async with asyncio.timeout(STEP_SECONDS):
                await self._step.wait()
        self.written += 1
        await self._link.write(frame)

    @property
    def sids(self) -> set[bytes]:
        """The sessions whose frames this phone was notified of."""
        return {decode_frame(frame).sid for frame in self.heard.all}


async def test_three_phones_in_step_and_none_takes_anothers_frames(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """The second and third find the hub while others are connected. A notification reaches every
    subscriber: what is for the others comes while the handshake goes on, and is dropped.
    """
    step = asyncio.Barrier(len(phones))
    async with AsyncExitStack() as stack:
        links = []
        for _ in phones:
            device = await stack.enter_async_context(on_air(air.transport))
            links.append(InStep(await stack.enter_async_context(connect(device, SMALL_MTU)), step))
        attempts = (
            Session(link, wallet).run(1) for link, wallet in zip(links, phones, strict=True)
        )
        reports = await asyncio.gather(*attempts)
        assert [allowed(report) for report in reports] == [True] * len(phones)
    assert min(link.written for link in links) >= STEPS
    sids = {link.sid for link in links}
    assert len(sids) == len(phones)
    assert [link.sids for link in links] == [sids] * len(phones), (
        "BlueZ notifies all; if it no longer does, say so"
    )
