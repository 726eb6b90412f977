"""Hours of use in little: storms of phones, strangers and mishaps leave nothing behind, and an idle hub does little.

HUBD_LAB_SOAK_SECONDS=3600 and HUBD_LAB_IDLE_SECONDS=600 make the long run of `make lab-soak`, whose figures are kept.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import asdict
from functools import partial

import pytest

from hubsim import site as sites
from hubsim.phone.wallet import Wallet
from lab.guest import Guest
from lab.hub import LabHub
from lab.keep import keep
from lab.soak import Soak, Told
from lab.strangers import Loot
from lab.vitals import NAMES, Trend, Vitals, lull, trend
from tests.lab.conftest import BLUEZ, MENDED, AirAddress
from tests.lab.crowd import recording, stranger_wallet

SOAK_SECONDS = float(os.environ.get("HUBD_LAB_SOAK_SECONDS", "40"))
IDLE_SECONDS = float(os.environ.get("HUBD_LAB_IDLE_SECONDS", "15"))
SEED = int(os.environ.get("HUBD_LAB_SEED", "0")) or random.randrange(1, 1 << 30)
WARM_SHARE = 0.2
FLAT_KIB_AN_HOUR = {"hubd": 2048, "guard": 512, "bluetoothd": 4096}
"""How much resident memory may grow an hour, after the warm-up, counted from at least FLAT_SAMPLES_MIN samples."""
NOT_REACHED_SHARE_MAX = 0.05
FLAT_SAMPLES_MIN = 10
GROWTH_KIB_MAX = 16384
IDLE_CORE_SHARE_MAX = 0.05


async def _verify(guest: Guest) -> str:
    """Verify the whole chain of records with what a technician types. Raise LabError when it does not hold."""
    ctl = "from hubd.cli.main import main; main()"
    argv = ("/opt/hubd/bin/python", "-c", ctl, "audit", "verify", "--file", "/var/lib/hubd/audit.db")
    return (await guest.run(*argv, seconds=300)).out.strip()


def _one_life(looks: list[Vitals], name: str) -> list[Vitals]:
    """The looks at the last process of that name, without the first share of them."""
    same = [look for look in looks if look.of[name].pid == looks[-1].of[name].pid]
    return same[int(len(same) * WARM_SHARE) :]


def _trends(looks: list[Vitals]) -> dict[str, dict[str, Trend]]:
    told: dict[str, dict[str, Trend]] = {}
    for name in NAMES:
        life = _one_life(looks, name)
        told[name] = {
            field: trend([(look.at, float(getattr(look.of[name], field))) for look in life])
            for field in ("rss_kib", "pss_kib", "descriptors", "threads")
        }
    life = _one_life(looks, "hubd")
    told["hubd"]["tasks"] = trend([(look.at, float(look.tasks)) for look in life])
    return told


@pytest.mark.reckons
@pytest.mark.timeout(600 + SOAK_SECONDS)
async def test_a_soak_leaves_nothing_behind(
    hub: LabHub, guest: Guest, air: AirAddress, site: sites.Site, phones: list[Wallet]
) -> None:
    pid = await hub.pid()
    loot = Loot(await recording(air, phones[0]), stranger_wallet(site))
    began = time.monotonic()

    def so_far(told: Told) -> None:
        _keep(told, _trends(told.looks), time.monotonic() - began, "not yet")

    soak = Soak(guest, air.transport, loot, partial(guest.plug_in, air.host, air.port))
    told = await soak.run(phones, SOAK_SECONDS, SEED, so_far)
    seconds = time.monotonic() - began
    verified = await _verify(guest)
    trends = _trends(told.looks)
    _keep(told, trends, seconds, verified)
    assert await hub.pid() == pid, "the daemon itself must live on"
    assert not told.wrong, f"seed {SEED}: {told.wrong}"
    assert not (MENDED and told.counts["bluetoothd died"]), told.counts
    assert told.counts["unlocked, full"] + told.counts["unlocked, short"] > 0
    unlocks = told.counts["unlocked, full"] + told.counts["unlocked, short"]
    assert told.counts["not reached"] <= max(3, unlocks * NOT_REACHED_SHARE_MAX), f"seed {SEED}: {told.counts}"
    idle = [kind for kind, visits in told.counts.items() if kind.startswith("stranger") and not visits]
    assert not idle, f"strangers that never came: {idle}"
    assert told.looks[-1].records - told.looks[0].records >= unlocks
    for name, measures in trends.items():
        for measure in ("descriptors", "threads", "tasks"):
            if measure in measures:
                went = measures[measure]
                assert went.last <= went.first, f"seed {SEED}: {name}: {measure} grow: {went}"
        memory = measures["rss_kib"]
        assert memory.last - memory.first < GROWTH_KIB_MAX, f"seed {SEED}: {name}: {memory}"
        if memory.samples >= FLAT_SAMPLES_MIN:
            assert memory.an_hour < FLAT_KIB_AN_HOUR[name], f"seed {SEED}: {name}: {memory}"


def _keep(told: Told, trends: dict[str, dict[str, Trend]], seconds: float, verified: str) -> None:
    first, last = told.looks[0], told.looks[-1]
    life = _one_life(told.looks, "hubd")
    core = (life[-1].of["hubd"].cpu_seconds - life[0].of["hubd"].cpu_seconds) / max(1.0, life[-1].at - life[0].at)
    facts = {
        "seconds": round(seconds),
        "seed": SEED,
        "BlueZ": BLUEZ or "this machine's",
        "counts": dict(sorted(told.counts.items())),
        "wrong": told.wrong,
        "records": last.records - first.records,
        "audit": verified,
        "share of a core, hubd": round(core, 4),
        "trends": {name: {field: asdict(one) for field, one in of.items()} for name, of in trends.items()},
        "looks": [[round(look.at), look.of["hubd"].rss_kib, look.of["bluetoothd"].rss_kib] for look in told.looks],
    }
    keep("soak", facts)


@pytest.mark.alone
@pytest.mark.timeout(600 + IDLE_SECONDS)
async def test_an_idle_hub_does_little(hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]) -> None:
    await recording(air, phones[0])
    before = await lull(guest)
    looks = [before]
    ends = time.monotonic() + IDLE_SECONDS
    while (left := ends - time.monotonic()) > 0:
        await asyncio.sleep(min(left, 30.0))
        looks.append(await lull(guest))
    after, seconds = looks[-1], looks[-1].at - before.at
    shares = {name: (after.of[name].cpu_seconds - before.of[name].cpu_seconds) / seconds for name in NAMES}
    trends = _trends(looks)
    facts = {
        "seconds": round(seconds),
        "share of a core": {name: round(share, 5) for name, share in shares.items()},
        "memory": {name: [after.of[name].rss_kib, after.of[name].pss_kib] for name in NAMES},
        "trends": {name: {field: asdict(one) for field, one in of.items()} for name, of in trends.items()},
    }
    keep("idle", facts)
    assert sum(shares.values()) < IDLE_CORE_SHARE_MAX, shares
    assert after.of["hubd"].descriptors <= before.of["hubd"].descriptors
    assert after.tasks <= before.tasks
    if trends["hubd"]["rss_kib"].samples >= FLAT_SAMPLES_MIN:
        assert trends["hubd"]["rss_kib"].an_hour < FLAT_KIB_AN_HOUR["hubd"]
