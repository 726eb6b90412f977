"""Strangers beside an honest phone: whatever they do, it unlocks, and soon."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from hubd.core import gatt
from hubd.core.framing import Flag, Outbound, control_frame
from hubd.core.messages import decode_challenge
from hubd.errors import LinkError
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from tests.lab.conftest import AirAddress

UNLOCKS = int(os.environ.get("HUBD_LAB_UNLOCKS", "5"))
STRANGERS = 3
UNLOCK_SECONDS = 1.0
TRIES = 3
PASSES = 1000
GROWTH_KIB_MAX = 8192

Deed = Callable[[BumbleLink], Awaitable[None]]


async def silent(link: BumbleLink) -> None:
    await asyncio.sleep(4)


async def noise(link: BumbleLink) -> None:
    await link.read_info()
    for _ in range(PASSES):
        await link.write(secrets.token_bytes(secrets.randbelow(240)))


async def slow_loris(link: BumbleLink) -> None:
    sid = decode_challenge(await link.read_info()).sid
    out = Outbound(sid)
    out.load(bytes(4000))
    while frame := out.pull(23):
        await link.write(frame)
        await asyncio.sleep(0.3)


async def byes(link: BumbleLink) -> None:
    for _ in range(PASSES):
        sid = decode_challenge(await link.read_info()).sid
        await link.write(control_frame(Flag.BYE, sid, 0))


async def comes_and_goes(link: BumbleLink) -> None:
    for _ in range(PASSES):
        await link._of(gatt.TX).unsubscribe(link._take)
        await link._of(gatt.TX).subscribe(link._take)


async def _be(air: AirAddress, deed: Deed) -> None:
    """Be a stranger until cancelled: whenever the hub throws one out, come again."""
    while True:
        with suppress(LinkError, asyncio.InvalidStateError):
            async with on_air(air.transport) as device:
                while True:
                    async with connect(device) as link:
                        await deed(link)


async def _unlock(air: AirAddress, wallet: Wallet) -> Report:
    """Unlock as an app does that tries again when a connection does not come about: the hub advertises anew just then.

    What is refused or forgotten once connected is not forgiven.
    """
    for _ in range(TRIES):
        with suppress(LinkError):
            async with on_air(air.transport) as device, connect(device) as link:
                try:
                    return await Session(link, wallet).run(1)
                except LinkError as error:
                    raise AssertionError(f"lost when connected: {error}") from error
    raise LinkError("the hub could not be reached")


async def _memory_kib(hub: LabHub) -> int:
    script = f"sed -n 's/^VmRSS:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/{await hub.pid()}/status"
    return int((await hub.guest.run("sh", "-c", script)).out)


@pytest.mark.alone
@pytest.mark.parametrize("deed", [silent, noise, slow_loris, byes, comes_and_goes])
async def test_an_honest_phone_unlocks_beside_strangers(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], deed: Deed
) -> None:
    pid = await hub.pid()
    assert (await _unlock(air, phones[0])).verdict is not None
    before = await _memory_kib(hub)
    strangers = [asyncio.create_task(_be(air, deed)) for _ in range(STRANGERS)]
    try:
        await asyncio.sleep(4)
        for _ in range(UNLOCKS):
            report = await _unlock(air, phones[0])
            assert report.verdict is not None, report.why
            assert report.verdict.allowed
            assert report.decided - report.began < UNLOCK_SECONDS
    finally:
        for stranger in strangers:
            stranger.cancel()
        await asyncio.wait(strangers, timeout=10)
    assert await hub.pid() == pid
    assert await _memory_kib(hub) - before < GROWTH_KIB_MAX


async def test_a_recorded_session_is_worth_nothing(hub: LabHub, air: AirAddress, phones: list[Wallet]) -> None:
    async with on_air(air.transport) as device:
        async with connect(device) as link:
            report = await Session(link, phones[0]).run(1)
            assert report.verdict is not None
        async with connect(device) as link:
            thief = Session(link, phones[1])
            await thief.read_info()
            with suppress(LinkError):
                for message in report.sent:
                    await thief.send(message)
            await asyncio.sleep(1)
        journal = await hub.journal(5)
    assert '"event":"refused"' in journal.splitlines()[-1], journal
