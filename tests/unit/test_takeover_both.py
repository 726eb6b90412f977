"""Both sides of a take-over on one socket pair: whatever fails where, one drives, and never two."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence

import pytest

from hubcore.errors import HardwareError
from hubcore.update.packets import Descriptor, DescriptorKind, Holdings
from hubcore.update.takeover import NewPhase, OldPhase
from hubd.adapters.takeover.channel import Channel, close_all, pair
from hubd.takeover.neighbours import Talk
from hubd.takeover.new import Beats, NewSide
from hubd.takeover.old import OldSide, Times

GUARD = Holdings((Descriptor(DescriptorKind.GUARD),), None)
WAIT_SECONDS = 20.0
TIMES = Times(warming=2.0, waiting=2.0, taking=2.0, silence=1.0)
BEATS = Beats(beat=0.05, commit=0.1)


class Site:
    """A door, and who may command it."""

    def __init__(self, faults: frozenset[str]) -> None:
        self.faults = faults
        self.driving = {"old"}
        self.told: list[str] = []
        self.guard = os.pipe()[1]
        self.taken: list[int] = [self.guard]

    async def does(self, what: str) -> None:
        """Write down what is done; fail, hang or make a mistake there if a test says so."""
        self.told.append(what)
        if f"{what} fails" in self.faults:
            raise HardwareError("It cannot.")
        if f"{what} is a mistake" in self.faults:
            raise ZeroDivisionError
        if f"{what} hangs" in self.faults:
            await asyncio.Event().wait()

    def drives(self, who: str) -> None:
        self.driving.add(who)
        assert len(self.driving) == 1, self.driving


class OldHub:
    def __init__(self, site: Site) -> None:
        self.site = site

    async def quiet(self) -> None:
        """Always."""

    async def settle(self) -> bool:
        self.site.driving.discard("old")
        return True

    async def reopen(self) -> None:
        self.site.drives("old")

    def holdings(self) -> tuple[Holdings, tuple[int, ...]]:
        return GUARD, (self.site.guard,)

    async def adopt(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        self.site.taken += descriptors
        await self.site.does("adopt")
        self.site.drives("old")

    async def register(self) -> None:
        await self.site.does("register")
        self.site.drives("old")

    async def secure(self) -> None:
        self.site.told.append("old secures")


class NewHub:
    def __init__(self, site: Site) -> None:
        self.site = site
        self.given: tuple[int, ...] = ()

    async def check(self) -> None:
        await self.site.does("check")

    async def take(self, holdings: Holdings, descriptors: Sequence[int]) -> None:
        self.given = tuple(descriptors)
        self.site.taken += descriptors
        await self.site.does("take")
        self.site.drives("new")

    async def healthy(self) -> None:
        await self.site.does("trial")

    async def give_back(self) -> tuple[Holdings, tuple[int, ...]]:
        await self.site.does("give back")
        self.site.driving.discard("new")
        return GUARD, self.given

    async def secure(self) -> None:
        self.site.told.append("new secures")


class Child:
    """The new process: a task that a kill ends at once, with all that it does."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.phase: NewPhase | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> Talk:
        ours, theirs = pair()
        self._task = asyncio.ensure_future(self._run(Channel(theirs)))
        return Channel(ours)

    async def _run(self, talk: Channel) -> None:
        side = NewSide(NewHub(self.site), talk, "0.2.0", BEATS)
        try:
            self.phase = await side.run()
        except* ZeroDivisionError:
            self.phase = NewPhase.LEFT
        finally:
            if self.phase is not NewPhase.SERVING:
                self.site.driving.discard("new")

    def kill(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def ended(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def promoted(self) -> bool:
        return True

    async def finished(self) -> None:
        if self._task is not None:
            await self._task


async def _update(*faults: str) -> tuple[OldPhase, Child, Site]:
    site = Site(frozenset(faults))
    child = Child(site)
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            phase = await OldSide(OldHub(site), child, TIMES).run()
            if phase is OldPhase.LEFT and not faults:
                await child.finished()
    finally:
        close_all(set(site.taken))
    return phase, child, site


async def test_a_good_version_drives_alone_in_the_end() -> None:
    phase, child, site = await _update()
    assert (phase, child.phase) == (OldPhase.LEFT, NewPhase.SERVING)
    assert site.driving == {"new"}
    assert site.told == ["check", "take", "trial"]


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (("check fails",), ["check"]),
        (("check hangs",), ["check"]),
        (("check is a mistake",), ["check"]),
        (("take fails",), ["check", "take", "give back", "adopt"]),
        (("take is a mistake",), ["check", "take", "register"]),
        (("take hangs",), ["check", "take", "register"]),
        (("trial fails",), ["check", "take", "trial", "give back", "adopt"]),
        (("trial is a mistake",), ["check", "take", "trial", "give back", "adopt"]),
        (
            ("trial fails", "give back fails"),
            ["check", "take", "trial", "give back", "register"],
        ),
        (
            ("trial fails", "give back hangs"),
            ["check", "take", "trial", "give back", "register"],
        ),
        (
            ("trial fails", "adopt fails"),
            ["check", "take", "trial", "give back", "adopt", "register"],
        ),
    ],
)
async def test_a_bad_version_leaves_the_old_one_driving(
    faults: tuple[str, ...], told: list[str]
) -> None:
    phase, child, site = await _update(*faults)
    assert phase is OldPhase.SERVING
    assert child.phase in (None, NewPhase.LEFT)
    assert site.driving == {"old"}
    assert site.told == told
