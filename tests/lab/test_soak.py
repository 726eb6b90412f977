"""Hours of use in little: storms of phones, strangers and mishaps leave nothing behind, and an idle
hub does little.

HUBD_LAB_SOAK_SECONDS=3600 and HUBD_LAB_IDLE_SECONDS=600 make the long run of `make lab-soak`, whose
figures are kept.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
import warnings
from dataclasses import asdict
from functools import partial

import pytest

from hubsim import site as sites
from hubsim.phone.wallet import Wallet
from lab.figurefile import write_figures
from lab.flat import SAMPLES_MIN, Trends, grown, longest_life, trends, unjudged
from lab.guest import Guest
from lab.hub import LabHub
from lab.soak import Soak, SoakReport
from lab.strangers import AttackMaterial
from lab.vitals import NAMES, lull
from tests.lab.conftest import BLUEZ, MENDED, AirAddress
from tests.lab.crowd import recording, stranger_wallet

SOAK_SECONDS = float(os.environ.get("HUBD_LAB_SOAK_SECONDS", "40"))
IDLE_SECONDS = float(os.environ.get("HUBD_LAB_IDLE_SECONDS", "15"))
SEED = int(os.environ.get("HUBD_LAB_SEED", "0")) or random.randrange(1, 1 << 30)
LONG_SOAK_SECONDS = 1800.0
LONG_IDLE_SECONDS = 600.0
"""A run of so long must be able to tell whether memory is flat."""
NOT_REACHED_SHARE_MAX = 0.05
IDLE_CORE_SHARE_MAX = 0.05


async def _verify(guest: Guest) -> str:
    """Verify the whole chain of records with what a technician types.

    Raise LabError when it does not hold.
    """
    ctl = "from hubctl.main import main; main()"
    argv = (
        "/opt/hubd/bin/python",
        "-c",
        ctl,
        "audit",
        "verify",
        "--file",
        "/var/lib/hubd/audit.db",
    )
    return (await guest.run(*argv, seconds=300)).out.strip()


@pytest.mark.reckons
@pytest.mark.timeout(600 + SOAK_SECONDS)
async def test_a_soak_leaves_nothing_behind(
    hub: LabHub, guest: Guest, air: AirAddress, site: sites.Site, phones: list[Wallet]
) -> None:
    pid = await hub.pid()
    material = AttackMaterial(await recording(air, phones[0]), stranger_wallet(site))
    began = time.monotonic()

    def so_far(found: SoakReport) -> None:
        _keep(found, trends(found.looks), time.monotonic() - began, "not yet")

    soak = Soak(guest, air.transport, material, partial(guest.plug_in, air.host, air.port))
    found = await soak.run(site, SOAK_SECONDS, SEED, so_far)
    seconds = time.monotonic() - began
    verified = await _verify(guest)
    went = trends(found.looks)
    _keep(found, went, seconds, verified)
    assert await hub.pid() == pid, "the daemon itself must live on"
    assert not found.wrong, f"seed {SEED}: {found.wrong}"
    assert not (MENDED and found.counts["bluetoothd died"]), found.counts
    assert found.counts["unlocked, full"] + found.counts["unlocked, short"] > 0
    unlocks = found.counts["unlocked, full"] + found.counts["unlocked, short"]
    assert found.counts["not reached"] <= max(3, unlocks * NOT_REACHED_SHARE_MAX), (
        f"seed {SEED}: {found.counts}"
    )
    idle = [
        kind for kind, visits in found.counts.items() if kind.startswith("stranger") and not visits
    ]
    assert not idle, f"strangers that never came: {idle}"
    assert found.looks[-1].records - found.looks[0].records >= unlocks
    assert not (faults := grown(went)), f"seed {SEED}: {faults}"
    if SOAK_SECONDS >= LONG_SOAK_SECONDS:
        _told_enough(found, went)


def _told_enough(found: SoakReport, went: Trends) -> None:
    """Fail a long soak whose looks cannot tell a leak; one that BlueZ's own deaths have cut short
    is warned of.
    """
    assert went["hubd"]["rss_kib"].late_samples >= SAMPLES_MIN, went["hubd"]
    short = unjudged(went)
    if short == ["bluetoothd"] and found.counts["bluetoothd died"]:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(
                "no bluetoothd lived long enough to tell whether its memory is flat", stacklevel=1
            )
    else:
        assert not short, f"not looked at often enough: {short}"


def _keep(found: SoakReport, went: Trends, seconds: float, verified: str) -> None:
    first = found.looks[0]
    last = found.looks[-1]
    life = longest_life(found.looks, "hubd")
    core = (life[-1].of["hubd"].cpu_seconds - life[0].of["hubd"].cpu_seconds) / max(
        1.0, life[-1].at - life[0].at
    )
    facts = {
        "seconds": round(seconds),
        "seed": SEED,
        "BlueZ": BLUEZ or "this machine's",
        "counts": dict(sorted(found.counts.items())),
        "wrong": found.wrong,
        "records": last.records - first.records,
        "audit": verified,
        "share of a core, hubd": round(core, 4),
        "trends": _facts(went),
        "looks": [
            [
                round(look.at),
                look.of["hubd"].rss_kib,
                look.of["bluetoothd"].rss_kib,
                look.of["bluetoothd"].pid,
            ]
            for look in found.looks
        ],
    }
    write_figures("soak", facts)


def _facts(went: Trends) -> dict[str, dict[str, dict[str, float]]]:
    return {
        name: {measure: asdict(one) for measure, one in of.items()} for name, of in went.items()
    }


@pytest.mark.alone
@pytest.mark.timeout(600 + IDLE_SECONDS)
async def test_an_idle_hub_does_little(
    hub: LabHub, guest: Guest, air: AirAddress, phones: list[Wallet]
) -> None:
    await recording(air, phones[0])
    before = await lull(guest)
    looks = [before]
    ends = time.monotonic() + IDLE_SECONDS
    while (left := ends - time.monotonic()) > 0:
        await asyncio.sleep(min(left, 30.0))
        looks.append(await lull(guest))
    after = looks[-1]
    seconds = looks[-1].at - before.at
    shares = {
        name: (after.of[name].cpu_seconds - before.of[name].cpu_seconds) / seconds for name in NAMES
    }
    went = trends(looks)
    facts = {
        "seconds": round(seconds),
        "share of a core": {name: round(share, 5) for name, share in shares.items()},
        "memory": {name: [after.of[name].rss_kib, after.of[name].pss_kib] for name in NAMES},
        "trends": _facts(went),
    }
    write_figures("idle", facts)
    assert sum(shares.values()) < IDLE_CORE_SHARE_MAX, shares
    assert not (faults := grown(went)), faults
    assert after.tasks <= before.tasks
    assert after.of["hubd"].descriptors <= before.of["hubd"].descriptors
    if IDLE_SECONDS >= LONG_IDLE_SECONDS:
        assert not unjudged(went), went
