"""Strangers beside an honest phone: whatever they do, it unlocks, and soon.

Law: the phone of the hundred unlocks does as a person's: PAUSE_SECONDS lie between two touches, and
what its app tries again by itself counts in the time of its touch; a link that is lost while
bluetoothd lives is the hub's fault.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import pytest_asyncio
from bumble.device import Device

from benchmarks.stats import p50, p99
from hubcore.errors import LinkError
from hubsim import site as sites
from hubsim.phone import wallet as wallets
from hubsim.phone.attempt import Report, Session
from hubsim.phone.radio import connect, on_air
from hubsim.phone.wallet import Wallet
from lab.figurefile import write_figures
from lab.guest import Guest
from lab.hub import STRIKE_SECONDS, LabHub
from lab.paced import Paced
from lab.strangers import KINDS
from lab.touch import Touch, touch
from lab.visitors import VISITS_A_PHONE, visitor
from lab.vitals import Vitals, look, lull
from tests.lab.conftest import MENDED, AirAddress, allowed
from tests.lab.crowd import crowd, recording, stranger_wallet
from tests.lab.deaths import deaths

UNLOCKS = int(os.environ.get("HUBD_LAB_UNLOCKS", "100"))
RATIO_MAX = 3.0
PAUSE_SECONDS = (0.3, 0.7)
"""Between two touches, evenly by chance; as the app is closed and opened again, or the phone taken
away and held on.
"""
FEW = 10
UNLOCK_SECONDS = 1.0
TRIES = 3
WATCH_SECONDS = 8.0
GROWTH_KIB_MAX = 8192


@pytest_asyncio.fixture(loop_scope="session")
async def material(
    hub: LabHub, air: AirAddress, site: sites.Site, phones: list[Wallet], tmp_path: Path
) -> Path:
    """What strangers may know: what an honest phone once sent, and keys of their own."""
    recorded = await recording(air, phones[2])
    (tmp_path / "recording.json").write_text(json.dumps([message.hex() for message in recorded]))
    wallets.save(stranger_wallet(site), tmp_path / "wallet")
    return tmp_path


async def _unlock(air: AirAddress, wallet: Wallet) -> Report:
    """Unlock as an app does that tries again when a connection does not come about.

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


@pytest.mark.parametrize("kind", sorted(KINDS))
async def test_an_honest_phone_unlocks_beside_strangers(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet], material: Path, kind: str
) -> None:
    """Three of a kind at once; where they wear out the hub's RSA, the honest phone has no ticket
    and needs it too.
    """
    pid = await hub.pid()
    before = await lull(guest)
    did: dict[str, dict[str, int]] = {}
    assert (await _unlock(air, phones[0])).verdict is not None
    async with crowd(air, [kind] * 3, material, did):
        for _ in range(FEW):
            if kind == "forges":
                phones[0].tickets.clear()
            report = await _unlock(air, phones[0])
            assert report.verdict is not None, report.why
            assert report.verdict.allowed
            assert report.decided - report.began < UNLOCK_SECONDS
            assert report.short is (kind != "forges")
    assert all(one["requests"] for one in did.values()), did
    assert await hub.pid() == pid
    after = await lull(guest)
    assert after.of["hubd"].rss_kib - before.of["hubd"].rss_kib < GROWTH_KIB_MAX


@pytest.mark.alone
@pytest.mark.reckons
@pytest.mark.timeout(900)
async def test_a_hundred_unlocks_beside_eight_strangers(
    hub: LabHub,
    guest: Guest,
    air: AirAddress,
    site: sites.Site,
    phones: list[Wallet],
    material: Path,
) -> None:
    """One stranger of each kind: p99 from touch to verdict stays under RATIO_MAX times the quiet
    p99.
    """
    pid = await hub.pid()
    did: dict[str, dict[str, int]] = {}
    async with on_air(air.transport, Paced) as device:
        await touch(device, phones[0])
        before = await lull(guest)
        quiet = await _touches(device, site)
        between = await lull(guest)
        fallen = await deaths(guest)
        async with crowd(air, sorted(KINDS), material, did):
            began = await look(guest)
            beset = await _touches(device, site)
            ended = await look(guest)
    after = await lull(guest)
    died = await deaths(guest) - fallen
    ratio = p99([one.whole for one in beset]) / p99([one.whole for one in quiet])
    facts = {
        "unlocks": UNLOCKS,
        "p99 beset / p99 quiet": round(ratio, 2),
        "quiet": _told(quiet, before, between),
        "beset": _told(beset, began, ended),
        "strangers": did,
        "refusals": after.refused - between.refused,
        "bluetoothd died": died,
    }
    write_figures("strangers", facts)
    assert all(one["requests"] for one in did.values()), did
    assert await hub.pid() == pid
    assert after.of["hubd"].rss_kib - before.of["hubd"].rss_kib < GROWTH_KIB_MAX
    assert after.records - before.records >= 2 * UNLOCKS
    assert sum(one.lost for one in quiet) == 0
    assert sum(one.lost for one in beset) <= died, facts
    assert not (died and MENDED), await hub.story()
    assert ratio < RATIO_MAX, facts


async def _touches(device: Device, site: sites.Site) -> list[Touch]:
    """Touch UNLOCKS times, with a person's pause after each; the first touch of a phone, the long
    one, is not told.
    """
    touches: list[Touch] = []
    for index in range(UNLOCKS):
        if index % VISITS_A_PHONE == 0:
            wallet = visitor(site)
            await touch(device, wallet)
        touches.append(await touch(device, wallet))
        await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    return touches


def _told(touches: Sequence[Touch], began: Vitals, ended: Vitals) -> dict[str, object]:
    """Where the time of so many touches went, in ms, and what the processes took of a core
    meanwhile.
    """
    parts = {
        name: [round(1000 * at([getattr(one, name) for one in touches])) for at in (p50, p99)]
        for name in ("whole", "found", "connected", "prepared", "decided")
    }
    seconds = ended.at - began.at
    cpu = {
        name: (ended.of[name].cpu_seconds - began.of[name].cpu_seconds) / seconds
        for name in ended.of
    }
    cpu["the whole guest"] = (ended.busy - began.busy) / seconds
    return {
        "ms, p50 and p99": parts,
        "came again": sum(one.again for one in touches),
        "lost when connected": sum(one.lost for one in touches),
        "share of a core": {name: round(share, 3) for name, share in cpu.items()},
        "seconds": round(seconds),
    }


async def test_a_recorded_session_is_worth_nothing(
    hub: LabHub, air: AirAddress, phones: list[Wallet]
) -> None:
    """It is refused for its proof, and no strike is driven; that of the honest phone is, so the
    watch sees one.
    """
    async with on_air(air.transport) as device:
        async with connect(device) as link, asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(hub.strike_seen(WATCH_SECONDS))
            report = await Session(link, phones[0]).run(1)
            assert allowed(report)
        assert seen.result(), "the watch sees nothing"
        await asyncio.sleep(STRIKE_SECONDS + 0.3)
        before = await hub.journal_ends()
        async with connect(device) as link, asyncio.TaskGroup() as tasks:
            seen = tasks.create_task(hub.strike_seen(WATCH_SECONDS))
            thief = Session(link, phones[1])
            await thief.read_info()
            with suppress(LinkError):
                for message in report.sent:
                    await thief.send(message)
            async with asyncio.timeout(WATCH_SECONDS):
                while '"error":"ProofError"' not in await hub.journal_after(before):
                    pass
            assert not seen.done(), "the watch ended before the hub had judged"
        assert not seen.result()
        assert '"event":"access"' not in await hub.journal_after(before)
