"""Power cuts: the guest is killed while phones open doors, its disk forgets what was not flushed,
and all that was said or done before is on record after the restart.

One life of a hub is ten cuts, each at a moment of another kind. HUBD_LAB_CUTS=200 for a soak, in so
many lives; HUBD_LAB_SEED names the first life, so that a long run can be had in pieces and a failed
life again.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.cuts import HubUnderCuts, PoweredHub
from lab.figurefile import write_figures
from lab.guest import kernel_path
from tests.lab.conftest import AirAddress

CUTS_A_LIFE = 10
LIVES = -(-int(os.environ.get("HUBD_LAB_CUTS", "10")) // CUTS_A_LIFE)
SEED = int(os.environ.get("HUBD_LAB_SEED", "1"))
START_CHANGES = 60
"""Writes and flushes until a hub that has never run is ready, and some more."""
HANG_SECONDS = 3.0
"""Longer than a hub waits for a record."""


async def _start(life: HubUnderCuts, powered: PoweredHub) -> None:
    """While the hub starts: the first time it makes its databases, later it takes up what the last
    cut left.
    """
    powered.line.trip_after(life.chance.randrange(START_CHANGES))
    await powered.guest.run("systemctl", "start", "--no-block", "hubd")
    await life.work(powered)
    await powered.until(lambda: len(powered.seen.allowed) > 0, "an unlock or the disk's end")


async def _verdict(life: HubUnderCuts, powered: PoweredHub) -> None:
    """When a phone has its verdict."""
    await _some_work(life, powered)
    so_far = len(powered.seen.allowed)
    await powered.until(lambda: len(powered.seen.allowed) > so_far, "a verdict")


async def _strike(life: HubUnderCuts, powered: PoweredHub) -> None:
    """When a strike is driven."""
    await _some_work(life, powered)
    so_far = len(powered.seen.strikes)
    await powered.until(lambda: len(powered.seen.strikes) > so_far, "a strike")


async def _disk_hangs(life: HubUnderCuts, powered: PoweredHub) -> None:
    """In the middle of a commit; the hub lives on for a while, on a disk that does not answer."""
    await _some_work(life, powered)
    powered.line.trip_after(life.chance.randrange(12))
    await powered.until(lambda: False, "the disk's end")
    await asyncio.sleep(life.chance.uniform(0, HANG_SECONDS))


async def _policy(life: HubUnderCuts, powered: PoweredHub) -> None:
    """While a new policy is written, or soon after."""
    await _some_work(life, powered)
    powered.line.trip_after(life.chance.randrange(24))
    version = life.publish()
    await powered.until(lambda: powered.seen.policy == version, "the policy in force")


async def _backend(life: HubUnderCuts, powered: PoweredHub) -> None:
    """When the backend has taken records."""
    await _some_work(life, powered)
    so_far = len(life.backend.records("hub-1"))
    await powered.until(
        lambda: len(life.backend.records("hub-1")) > so_far, "a record at the backend"
    )


async def _any_moment(life: HubUnderCuts, powered: PoweredHub) -> None:
    await _some_work(life, powered)
    await asyncio.sleep(life.chance.uniform(0, 3))


async def _some_work(life: HubUnderCuts, powered: PoweredHub) -> None:
    await life.hub(powered).start()
    await life.work(powered)
    unlocks = life.chance.randrange(1, 4)
    await powered.until(lambda: len(powered.seen.allowed) >= unlocks, "unlocks")


KINDS: list[Callable[[HubUnderCuts, PoweredHub], Awaitable[None]]] = [
    _start, _verdict, _strike, _disk_hangs, _policy, _start, _any_moment, _disk_hangs, _backend,
    _any_moment
]  # fmt: skip


@dataclass
class Tally:
    """What one life came to.

    `wrong` are sentences: of what was lost, broken or driven without a record.
    """

    judged: int = 0
    unlocks: int = 0
    strikes: int = 0
    wrong: list[str] = field(default_factory=list)

    def kept(self, life: HubUnderCuts) -> dict[str, object]:
        facts = {"cuts": self.judged, "unlocks": self.unlocks, "strikes seen": self.strikes}
        return facts | {
            "records": life.head.number,
            "wrong": len(self.wrong),
            "what was wrong": self.wrong,
        }


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(SEED, SEED + LIVES))
async def test_nothing_that_was_said_or_done_is_lost(
    seed: int, own_air: AirAddress, tmp_path: Path
) -> None:
    life = _life(seed, own_air, tmp_path)
    tally = Tally()
    try:
        async with life.backend_served():
            await _live(life, tally, f"seed {seed}")
        tally.wrong += [f"the backend holds two chains: {fork}" for fork in life.backend.forks]
    finally:
        write_figures(f"power cuts, life {seed}", tally.kept(life))
    assert not tally.wrong, f"seed {seed}: {tally.wrong}"
    assert tally.judged == len(KINDS)


async def _live(life: HubUnderCuts, tally: Tally, which: str) -> None:
    """Boot and cut, once for each kind; then boot once more and judge the last cut.

    End at the first that did harm.
    """
    for cut, kind in enumerate([*KINDS, None]):
        began = time.monotonic()
        async with life.power() as powered:
            found = await life.find(powered)
            async with _judged(life, found, tally, cut):
                await life.hub(powered).install()
                if kind is None:
                    await life.hub(powered).start()
                else:
                    await kind(life, powered)
        tally.unlocks += len(life.seen.allowed)
        tally.strikes += len(life.seen.strikes)
        print(
            f"{which} boot {cut}: {life.head.number} records; now "
            f"{kind.__name__ if kind else 'end'}: "
            f"{len(life.seen.allowed)} unlocks, {len(life.seen.strikes)} strikes, sectors "
            f"kept {life.loss.kept}, "
            f"lost {life.loss.lost}, {time.monotonic() - began:.1f} s"
        )
        if tally.wrong:
            return


@asynccontextmanager
async def _judged(life: HubUnderCuts, files: Path, tally: Tally, cut: int) -> AsyncIterator[None]:
    """Judge the files meanwhile; what they tell is told too when the work inside fails."""
    judging = asyncio.create_task(life.judge(files))
    try:
        yield
    finally:
        wrong = [f"after cut {cut}: {what}" for what in (await judging).wrong]
        print(*wrong, sep="\n")
        tally.judged = cut
        tally.wrong = tally.wrong + wrong


async def _strike_on_a_hung_disk(life: HubUnderCuts, powered: PoweredHub) -> None:
    await _some_work(life, powered)
    powered.line.trip_after(0)
    await powered.until(lambda: False, "the disk's end")
    so_far = len(powered.seen.strikes)
    await powered.until(lambda: len(powered.seen.strikes) > so_far, "a strike", diskless=True)


@pytest.mark.parametrize(
    ("module", "sound", "broken", "kind"),
    [
        (
            "hubd/adapters/sqlite/database.py",
            "PRAGMA synchronous = FULL",
            "PRAGMA synchronous = OFF",
            _verdict,
        ),
        (
            "hubd/doors/unlock.py",
            "if not await durable:",
            "if False and not await durable:",
            _strike_on_a_hung_disk,
        ),
    ],
    ids=["a hub that does not flush", "a hub that strikes before the record is durable"],
)
async def test_a_broken_hub_is_found_out(
    module: str,
    sound: str,
    broken: str,
    kind: Callable[[HubUnderCuts, PoweredHub], Awaitable[None]],
    own_air: AirAddress,
    tmp_path: Path,
) -> None:
    life = _life(SEED, own_air, tmp_path)
    async with life.backend_served():
        async with life.power() as powered:
            await life.break_hub(powered, module, sound, broken)
            await life.hub(powered).install()
            await kind(life, powered)
        async with life.power() as powered:
            found = await life.judge(await life.find(powered))
    assert any("no record" in wrong or "without a record" in wrong for wrong in found.wrong), found


def _life(seed: int, air: AirAddress, folder: Path) -> HubUnderCuts:
    kernel = kernel_path()
    assert kernel is not None
    return HubUnderCuts(kernel, folder, (air.host, air.port), random.Random(seed))
