"""A soak: storms of honest phones, strangers and mishaps, and a lull after each in which the hub is
looked at.

Laws: chance comes from a seed; an honest phone's visit that no mishap crossed must end as it
should, everything else is counted; a phone that leaves half-way leaves at a step chosen by chance.
A bluetoothd that dies by itself is a mishap of its own kind: BlueZ as released does
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
from lab.strangers import KINDS, Loot, Tally, be
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
_FAILURES = (LinkError, BaseBumbleError, asyncio.InvalidStateError, TimeoutError, OSError)


@dataclass(slots=True)
class Told:
    """What a soak has to tell.

    `counts` by what happened; `wrong` are sentences; `looks` one a lull.
    """

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    looks: list[Vitals] = field(default_factory=list)


class Soak:
    """Storms in one guest; `pulled` pulls the adapter out and plugs it in again."""

    def __init__(
        self, guest: Guest, transport: str, loot: Loot, pulled: Callable[[], Awaitable[None]]
    ) -> None:
        self._guest = guest
        self._transport = transport
        self._loot = loot
        self._pulled = pulled
        self._mishap_at = self._over_at = 0.0
        self._bluetoothd = 0
        self.told = Told()

    async def run(
        self, site: Site, seconds: float, seed: int, looked: Callable[[Told], None] = lambda _: None
    ) -> Told:
        """Soak for so long with phones of the site; `looked` is told what there is after each lull.

        No bluetoothd is killed in the second half, so that one life of it is long.
        """
        chance = random.Random(seed)
        began = time.monotonic()
        await self._look()
        while (elapsed := time.monotonic() - began) < seconds:
            mishaps = (
                [self._pull_out, self._kill_bluetoothd]
                if elapsed < seconds / 2
                else [self._pull_out]
            )
            await self._storm(site, chance, mishaps)
            await self._look()
            looked(self.told)
        return self.told

    async def _look(self) -> None:
        """Look in a lull. Raise LabError with the guest's story when none comes."""
        await self._note_bluetoothd()
        try:
            self.told.looks.append(await lull(self._guest))
        except LabError as error:
            script = (
                "journalctl -b -n 200 -o short-monotonic --no-pager; busctl tree "
                "org.bluez; btmgmt --timeout 5 info"
            )
            story = await self._guest.run("sh", "-c", script, check=False)
            raise LabError(f"{error}\n{dict(self.told.counts)}\n{story.out}") from error

    async def _storm(
        self, site: Site, chance: random.Random, mishaps: Sequence[Callable[[], Awaitable[None]]]
    ) -> None:
        """Let all loose for a while."""
        kinds = chance.sample(sorted(KINDS), STRANGERS)
        loose = [
            asyncio.create_task(self._phone(site, random.Random(chance.random())))
            for _ in range(PHONES)
        ]
        tallies = {kind: Tally() for kind in kinds}
        loose += [
            asyncio.create_task(
                be(
                    transport=self._transport,
                    deed=KINDS[kind],
                    loot=self._loot,
                    tally=tallies[kind],
                )
            )
            for kind in kinds
        ]
        try:
            at = chance.uniform(5, STORM_SECONDS - 5)
            await asyncio.sleep(at)
            if chance.random() < MISHAP_SHARE:
                self._mishap_at = time.monotonic()
                await chance.choice(mishaps)()
                self._mishap_at = time.monotonic()
            await asyncio.sleep(STORM_SECONDS - at)
            gone = [str(task) for task in loose if task.done()]
            self.told.wrong += [f"gone before the storm was over: {task}" for task in gone]
        finally:
            self._over_at = time.monotonic()
            await end(loose)
            self.told.counts.update(
                {f"stranger's visits: {kind}": tally.visits for kind, tally in tallies.items()}
            )

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
                        steps = chance.randrange(0, 8) if chance.random() < LEAVE_SHARE else -1
                        began = time.monotonic()
                        try:
                            async with connect(device) as link:
                                await self._visit(link, wallet, steps)
                        except _FAILURES as error:
                            await self._failed("not reached", error, began)
                            break

    async def _visit(self, link: BumbleLink, wallet: Wallet, steps: int) -> None:
        """Unlock, or leave after so many steps (-1: stay)."""
        began = time.monotonic()
        try:
            report = await Session(link if steps < 0 else Leaving(link, steps), wallet).run(POINT)
        except Left:
            self.told.counts["left half-way"] += 1
        except _FAILURES as error:
            await self._failed("lost when connected", error, began)
        else:
            if report.verdict is not None and report.verdict.allowed:
                self.told.counts["unlocked, short" if report.short else "unlocked, full"] += 1
            else:
                await self._failed("refused", report.why or str(report.verdict), began)

    async def _failed(self, what: str, why: object, began: float) -> None:
        """Count it; it is wrong when no mishap was near, the storm lasts, and the phone had been
        connected.
        """
        if self._over_at > began:
            return
        await self._note_bluetoothd()
        if self._mishap_at > began - LEFT_WITHOUT_SECONDS:
            self.told.counts[f"{what} (mishap)"] += 1
            return
        self.told.counts[what] += 1
        if what != "not reached":
            self.told.wrong.append(f"{what}: {why!r}")

    async def _note_bluetoothd(self) -> None:
        """Note a bluetoothd that has died since it was last looked at, unless the soak has killed
        it.
        """
        pid = int((await self._guest.run("systemctl", "show", "-P", "MainPID", "bluetooth")).out)
        if self._bluetoothd not in (0, pid):
            self.told.counts["bluetoothd died"] += 1
            self._mishap_at = time.monotonic()
        self._bluetoothd = pid

    async def _kill_bluetoothd(self) -> None:
        await self._note_bluetoothd()
        self.told.counts["bluetoothd killed"] += 1
        pid = self._bluetoothd
        self._bluetoothd = 0
        kill = (
            f"systemctl kill -s KILL bluetooth; while [ -e /proc/{pid}/exe ]; do sleep 0.05; done"
        )
        await self._guest.run("sh", "-c", kill)

    async def _pull_out(self) -> None:
        self.told.counts["adapter pulled"] += 1
        await self._guest.pull_out()
        await asyncio.sleep(AWAY_SECONDS)
        await self._pulled()
