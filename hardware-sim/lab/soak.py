"""A soak: storms of honest phones, strangers and mishaps; after each the hub is looked at.

Laws:
1. Chance comes from a seed.
2. An honest phone's visit that no mishap crossed must end as it should; all else is counted.
3. A phone that leaves half-way leaves at a step chosen by chance.
4. A bluetoothd that dies by itself is a mishap: BlueZ as released does
   (systemd/bluez-client-left.patch).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from bumble.core import BaseBumbleError

from hubcore.errors import LinkError
from hubsim.phone.attempt import Session
from hubsim.phone.leaving import Leaving, Left
from hubsim.phone.radio import BumbleLink, connect, on_air
from hubsim.phone.wallet import Wallet
from hubsim.site import Site
from lab.ending import end
from lab.errors import LabError
from lab.guest import Guest
from lab.paced import Paced
from lab.strangers import KINDS, AttackMaterial, Tally, be
from lab.visitors import VISITS_A_PHONE, visitor
from lab.vitals import Vitals, lull

POINT = 1
STORM_SECONDS = 45.0
PHONES = 3
STRANGERS = 3
MISHAP_SHARE = 0.25
PAUSE_SECONDS_MAX = 2.0
AWAY_SECONDS = 1.5
LEAVE_SHARE = 0.4
LEFT_WITHOUT_SECONDS = 10.0
Mishap = Callable[[], Awaitable[None]]
_FAILURES = (LinkError, BaseBumbleError, asyncio.InvalidStateError, TimeoutError, OSError)


@dataclass(slots=True)
class SoakReport:
    """What a soak found: `counts` by what happened, sentences in `wrong`, a look for each lull."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    looks: list[Vitals] = field(default_factory=list)


class Soak:
    """Storms in one guest; `pulled` pulls the adapter out and plugs it in again."""

    def __init__(
        self,
        guest: Guest,
        transport: str,
        material: AttackMaterial,
        pulled: Callable[[], Awaitable[None]],
    ) -> None:
        self._guest = guest
        self._transport = transport
        self._material = material
        self._pulled = pulled
        self._mishap_at = 0.0
        self._over_at = 0.0
        self._bluetoothd = 0
        self.report = SoakReport()

    async def run(
        self,
        site: Site,
        seconds: float,
        seed: int,
        looked: Callable[[SoakReport], None] = lambda _: None,
    ) -> SoakReport:
        """Soak for so long with phones of the site; call `looked` after each lull.

        No bluetoothd is killed in the second half, so that one of its lives is long.
        """
        chance = random.Random(seed)
        began = time.monotonic()
        await self._look()
        while (elapsed := time.monotonic() - began) < seconds:
            mishaps: list[Mishap] = [self._pull_out]
            if elapsed < seconds / 2:
                mishaps.append(self._kill_bluetoothd)
            await self._storm(site, chance, mishaps)
            await self._look()
            looked(self.report)
        return self.report

    async def _look(self) -> None:
        """Look in a lull. Raise LabError with the guest's story when none comes."""
        await self._note_bluetoothd()
        try:
            self.report.looks.append(await lull(self._guest))
        except LabError as error:
            script = (
                "journalctl -b -n 200 -o short-monotonic --no-pager; "
                "busctl tree org.bluez; btmgmt --timeout 5 info"
            )
            story = await self._guest.run("sh", "-c", script, check=False)
            raise LabError(f"{error}\n{dict(self.report.counts)}\n{story.out}") from error

    async def _storm(
        self,
        site: Site,
        chance: random.Random,
        mishaps: Sequence[Mishap],
    ) -> None:
        """Let all loose for a while."""
        tallies = {kind: Tally() for kind in chance.sample(sorted(KINDS), STRANGERS)}
        loose = []
        for _ in range(PHONES):
            phone = self._phone(site, random.Random(chance.random()))
            loose.append(asyncio.create_task(phone))
        for kind, tally in tallies.items():
            stranger = be(
                transport=self._transport,
                nuisance=KINDS[kind],
                material=self._material,
                tally=tally,
            )
            loose.append(asyncio.create_task(stranger))
        try:
            at = chance.uniform(5, STORM_SECONDS - 5)
            await asyncio.sleep(at)
            if chance.random() < MISHAP_SHARE:
                self._mishap_at = time.monotonic()
                await chance.choice(mishaps)()
                self._mishap_at = time.monotonic()
            await asyncio.sleep(STORM_SECONDS - at)
            gone = [str(task) for task in loose if task.done()]
            self.report.wrong += [f"gone before the storm was over: {task}" for task in gone]
        finally:
            self._over_at = time.monotonic()
            await end(loose)
            for kind, tally in tallies.items():
                self.report.counts[f"stranger's visits: {kind}"] += tally.visits

    async def _phone(self, site: Site, chance: random.Random) -> None:
        """Be one honest phone after the other until cancelled."""
        wallet = visitor(site)
        visits = 0
        while True:
            if visits >= VISITS_A_PHONE:
                wallet = visitor(site)
                visits = 0
            with suppress(*_FAILURES):
                async with on_air(self._transport, Paced) as device:
                    for _ in range(min(chance.randrange(1, 6), VISITS_A_PHONE - visits)):
                        visits += 1
                        await asyncio.sleep(chance.uniform(0, PAUSE_SECONDS_MAX))
                        leaves = chance.random() < LEAVE_SHARE
                        steps = chance.randrange(0, 8) if leaves else None
                        began = time.monotonic()
                        try:
                            async with connect(device) as link:
                                await self._visit(link, wallet, steps)
                        except _FAILURES as error:
                            await self._failed("not reached", error, began)
                            break

    async def _visit(self, link: BumbleLink, wallet: Wallet, steps: int | None) -> None:
        """Unlock, or leave after so many steps."""
        began = time.monotonic()
        way = link if steps is None else Leaving(link, steps)
        try:
            report = await Session(way, wallet).run(POINT)
        except Left:
            self.report.counts["left half-way"] += 1
        except _FAILURES as error:
            await self._failed("lost when connected", error, began)
        else:
            if report.verdict is None or not report.verdict.allowed:
                await self._failed("refused", report.why or str(report.verdict), began)
            elif report.short:
                self.report.counts["unlocked, short"] += 1
            else:
                self.report.counts["unlocked, full"] += 1

    async def _failed(self, what: str, why: object, began: float) -> None:
        """Count a failure.

        It is wrong when no mishap was near, the storm lasts, and the phone had been connected.
        """
        if self._over_at > began:
            return
        await self._note_bluetoothd()
        if self._mishap_at > began - LEFT_WITHOUT_SECONDS:
            self.report.counts[f"{what} (mishap)"] += 1
            return
        self.report.counts[what] += 1
        if what != "not reached":
            self.report.wrong.append(f"{what}: {why!r}")

    async def _note_bluetoothd(self) -> None:
        """Note a bluetoothd that has died since the last look, unless the soak has killed it."""
        pid = await self._guest.main_pid("bluetooth")
        if self._bluetoothd not in (0, pid):
            self.report.counts["bluetoothd died"] += 1
            self._mishap_at = time.monotonic()
        self._bluetoothd = pid

    async def _kill_bluetoothd(self) -> None:
        await self._note_bluetoothd()
        self.report.counts["bluetoothd killed"] += 1
        pid = self._bluetoothd
        self._bluetoothd = 0
        kill = (
            f"systemctl kill -s KILL bluetooth; while [ -e /proc/{pid}/exe ]; do sleep 0.05; done"
        )
        await self._guest.run("sh", "-c", kill)

    async def _pull_out(self) -> None:
        self.report.counts["adapter pulled"] += 1
        await self._guest.pull_out()
        await asyncio.sleep(AWAY_SECONDS)
        await self._pulled()
