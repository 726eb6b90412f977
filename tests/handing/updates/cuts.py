"""Updates of one machine with a real hubd; amid each somebody is killed, or the power is cut.

`python -m tests.handing.updates.cuts UPDATES [SEED]`: a part of `make bench-updates`.

After each the machine must be whole: one hub drives alone, from the slot that was found well; a
phone is let in; the strike is at rest; every record is there, and each that a phone was answered
on; no version is blamed that has not failed. It ends with 1 when it once is not.
"""

from __future__ import annotations

import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from dbus_fast.aio import MessageBus

from hubcore.errors import HubError
from hubcore.update.slots import Phase
from hubsim.update.shop import Shop
from tests.handing.updates.drawn import Moment, Update, Victim, draw
from tests.handing.updates.life import Person, check_records
from tests.handing.updates.machine import GUARD, HUB, TAKES_OVER, Kind, Machine, kill
from tests.handing.updates.machine import command_of as command
from tests.unit.test_bluez_radio import FakeBluez, a_bus

UPDATES = 40
JOURNAL_CHARS = 20_000
POLL_SECONDS = 0.001


@dataclass
class Tally:
    """What became of the updates."""

    updates: int = 0
    lost: list[str] = field(default_factory=list)
    cuts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    longest_seconds: float = 0.0
    """Until one hub drove and a phone was let in, after somebody was killed."""
    answered: int = 0
    records: int = 0


class Bench:
    """One machine, its person, and one update after another."""

    def __init__(self, machine: Machine, shop: Shop, person: Person) -> None:
        self._machine = machine
        self._shop = shop
        self._person = person
        self._old = 0
        self.tally = Tally()
        self.running = ""

    async def begin(self, version: str) -> None:
        """Let the machine run its first version."""
        self._machine.first_slot(version)
        self._machine.start()
        self.running = version
        await self._until(self._machine.drives_from_its_slot, "it never drives")
        assert await self._person.visit(), self._person.why

    def journal(self) -> str:
        """Return the end of what the machine's programs said."""
        return self._machine.journal()[-JOURNAL_CHARS:]

    async def update(self, update: Update) -> None:
        """Do one. Raise LateError, AssertionError, HubError."""
        machine = self._machine
        tally = self.tally
        tally.updates += 1
        tally.kinds[update.kind.name] += 1
        if update.is_configured:
            machine.change_configuration()
        image = machine.image(update.version, update.kind, update.tests_itself)
        await asyncio.to_thread(self._shop.offer, image, update.version)
        self._old = machine.main()
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            visiting = tasks.create_task(self._person.visits(stop))
            machine.wish("check")
            try:
                killed = await asyncio.to_thread(self._kill, update)
                began = time.monotonic()
                await self._until_over(update)
            finally:
                stop.set()
                await visiting
        await self._check(update, killed)
        tally.longest_seconds = max(tally.longest_seconds, time.monotonic() - began)

    async def _until_over(self, update: Update) -> None:
        machine = self._machine

        def is_over() -> bool:
            machine.wish("check")
            return machine.is_judged(update.version)

        await self._until(is_over, f"{update.version} is never judged")
        await self._until(machine.drives_from_its_slot, "no hub drives from its slot")

    async def _until(self, is_so: Callable[[], bool], says: str) -> None:
        await asyncio.to_thread(self._machine.until, is_so, says)

    def _kill(self, update: Update) -> bool:
        """Wait for the moment, and kill; tell whether it came and somebody was there."""
        version = update.version
        while not self._is_at(update.moment, version):
            if update.moment is not Moment.ANY and self._is_too_late(update):
                self.tally.cuts["none: the moment never came"] += 1
                return False
            time.sleep(POLL_SECONDS)
        time.sleep(update.later_seconds)
        there = self._strike(update.victim)
        what = update.victim.value if there else f"{update.victim.value} (not there)"
        self.tally.cuts[f"{update.moment.value}: {what}"] += 1
        return there

    def _is_too_late(self, update: Update) -> bool:
        """Tell whether the moment does not come any more."""
        machine = self._machine
        if not machine.is_judged(update.version):
            return False
        slots = machine.slots()
        stays = slots is not None and slots.running.version == update.version
        return not (stays and update.moment is Moment.LEFT)  # it still ends

    def _is_at(self, moment: Moment, version: str) -> bool:
        machine = self._machine
        match moment:
            case Moment.ANY:
                return self._is_begun(version)
            case Moment.WARMING:
                return self._is_begun(version) and self._new() != 0
            case Moment.GIVING:
                return self._is_begun(version) and self._new() != 0 and not self._has_log(self._old)
            case Moment.TRIAL:
                return self._is_begun(version) and machine.tell().get("standing") == "on-trial"
            case Moment.PROMOTING:
                return machine.main() not in (self._old, 0)
            case Moment.LEFT:
                return command(self._old) == b""
            case Moment.RETURNING:
                slots = machine.slots()
                return slots is not None and slots.phase is Phase.RETURNING

    def _is_begun(self, version: str) -> bool:
        slots = self._machine.slots()
        images = () if slots is None else (slots.running, slots.other)
        return any(image is not None and image.version == version for image in images)

    def _new(self) -> int:
        """Return the process that takes over."""
        for number in self._machine.processes(TAKES_OVER):
            if number != self._old:
                return number
        return 0

    def _has_log(self, number: int) -> bool:
        """Tell whether a process has the log of records open."""
        try:
            links = list(Path(f"/proc/{number}/fd").iterdir())
            return any("audit.db" in str(one.readlink()) for one in links)
        except OSError:
            return True

    def _strike(self, victim: Victim) -> bool:
        machine = self._machine
        match victim:
            case Victim.OLD:
                found = [self._old] if command(self._old) else []
            case Victim.NEW:
                found = [one for one in machine.processes(HUB) if one != self._old]
            case Victim.UPDATER:
                found = machine.updaters()
            case Victim.GUARD:
                holder = machine.bank.level(0).holder
                found = [holder] if GUARD in command(holder) else []
            case Victim.ALL:
                machine.cut_power()
                machine.start()
                return True
        for number in found:
            kill(number)
        return bool(found)

    async def _check(self, update: Update, killed: bool) -> None:
        """Check the machine after an update. Raise AssertionError, HubError, LateError."""
        machine = self._machine
        stays = self._check_slots(update, killed)
        level = machine.bank.level(0)
        await self._until(lambda: not machine.bank.level(0).active, "the strike stays")
        rises = machine.bank.level(0).rises
        assert await self._person.visit(), (
            f"nobody is let in: {self._person.why} {machine.journal()[-3000:]}"
        )
        assert not self._person.refused, self._person.refused
        await self._until(lambda: machine.bank.level(0).rises > rises, "the strike never moves")
        await self._until(lambda: not machine.bank.level(0).active, "the strike stays")
        assert machine.bank.level(0).rises == rises + 1, (level, machine.bank.level(0))
        self.tally.answered = len(self._person.answered)
        self.tally.records = await asyncio.to_thread(check_records, machine, self._person.answered)
        self.tally.ends["it stays" if stays else "it is undone"] += 1

    def _check_slots(self, update: Update, killed: bool) -> bool:
        """Check the slots; tell whether the new version stays."""
        slots = self._machine.slots()
        assert slots is not None
        stays = slots.running.version == update.version
        if stays:
            assert update.kind in (Kind.GOOD, Kind.OTHER_LINES), f"a bad version stays: {slots}"
        else:
            assert slots.running.version == self.running, slots
            is_own = update.kind is not Kind.GOOD
            was_killed = killed and update.victim is Victim.NEW
            assert is_own or was_killed, f"a good version is blamed: {slots}"
        self._machine.disk.prove_image(slots.well, slots.running)
        assert self._machine.disk.linked() is slots.well, slots
        self.running = slots.running.version
        return stays


@asynccontextmanager
async def a_bench(folder: Path) -> AsyncIterator[Bench]:
    """Make a machine, a bluetoothd that outlives it, and a person."""
    async with a_bus(folder) as address:
        bus = await MessageBus(bus_address=address).connect()
        bluez = FakeBluez(bus)
        bluez.adapter()
        await bus.request_name("org.bluez")
        shop = Shop(folder / "shop")
        machine = Machine(folder / "box", shop, address)
        try:
            yield Bench(machine, shop, Person(machine, bluez))
        finally:
            machine.cut_power()
            bus.disconnect()


async def cut_updates(folder: Path, updates: int, chance: random.Random) -> Tally:
    """Do so many updates on one machine, and stop at the first that leaves it wrong."""
    async with a_bench(folder) as bench:
        await bench.begin("1.0")
        for number in range(1, updates + 1):
            update = draw(number, chance)
            print(f"{number}: {update}", flush=True)
            if not await _is_whole_after(bench, update):
                break
    return bench.tally


async def _is_whole_after(bench: Bench, update: Update) -> bool:
    try:
        await bench.update(update)
    except* (HubError, AssertionError) as group:
        bench.tally.lost += [f"{update}: {error!r}" for error in group.exceptions]
        print(bench.journal(), flush=True)
    return not bench.tally.lost


def main() -> None:
    """Run the bench; print what became of the updates."""
    updates = int(sys.argv[1]) if len(sys.argv) > 1 else UPDATES
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="hub") as folder:
        tally = asyncio.run(cut_updates(Path(folder), updates, random.Random(seed)))
    print(f"updates of a real hubd, somebody killed amid each: {tally.updates}")
    print(f"versions: {dict(tally.kinds)}; {dict(tally.ends)}")
    for cut, count in sorted(tally.cuts.items()):
        print(f"  {count} × {cut}")
    print(f"phones answered: {tally.answered}; records, each proven: {tally.records}")
    print(f"longest until all was well: {tally.longest_seconds:.1f} s")
    print(f"machines that were not whole after it: {len(tally.lost)}")
    for said in tally.lost:
        print(said)
    sys.exit(1 if tally.lost else 0)


if __name__ == "__main__":
    main()
