"""A backend restored from an older copy, or begun again; a hub whose newest records are gone.

What the backend lost comes again from the hub. What the hub lost is told on both sides.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from hubcore.backend.uplink.words import ReleaseOutcome
from hubcore.evidence.records import Record, RecordKind
from tests.fakes.audit import FakeAudit
from tests.scenario.test_breaks import Machine, Place, kept, place
from tests.scenario.test_uplink import running, serving, until

pytestmark = pytest.mark.asyncio


def database(directory: Path) -> Path:
    return directory / "records" / "hub-1.db"


def cut(directory: Path, after: int) -> None:
    with contextlib.closing(sqlite3.connect(database(directory))) as file:
        file.execute("DELETE FROM record WHERE number > ?", (after,))
        file.commit()


async def filled(here: Place, count: int) -> Machine:
    """A hub whose records the backend holds, and which is away now."""
    machine = here.machine(1)
    await machine.add(count)
    async with running(machine.sync.run()):
        await until(lambda: machine.log.waiting() == 0)
    return machine


def all_there(here: Place, machine: Machine) -> bool:
    """Whether the backend holds what the hub has, and the hub knows it."""
    return machine.log.waiting() == 0 and here.backend.records("hub-1") == machine.log.stored


def causes(machine: Machine) -> list[str]:
    told = [Record.decode(stored.body) for stored in machine.log.stored]
    return [str(one.detail["cause"]) for one in told if one.kind is RecordKind.BREAK]


@pytest.mark.parametrize("left", [0, 1, 2])
async def test_a_backend_with_an_older_copy_of_its_records_gets_the_rest_again(
    tmp_path, capsys, left: int
):
    async with place(tmp_path) as here:
        machine = await filled(here, 4)
    cut(tmp_path, left)
    here.backend = here.make(here.backend.endpoint)
    async with serving(here.backend), running(machine.sync.run()):
        await until(lambda: bool(causes(machine)))
        await until(lambda: all_there(here, machine))
        await machine.add(1)
        await until(lambda: all_there(here, machine))
        assert causes(machine) == ["restored"]
        assert f"{4 - left} of its records were acknowledged and are not here" in (
            capsys.readouterr().err
        )
        assert here.backend.decisions.stops() == {}


async def test_what_the_backend_lost_and_the_hub_removed_is_told_as_a_gap(tmp_path):
    async with place(tmp_path) as here:
        machine = await filled(here, 6)
    cut(tmp_path, 1)
    machine.log.went = 4
    here.backend = here.make(here.backend.endpoint)
    async with serving(here.backend), running(machine.sync.run()):
        await until(lambda: causes(machine) == ["restored", "gap"])
        assert [r.number for r in here.backend.records("hub-1")] == [1]
        assert machine.log.waiting() > 0
    told = [Record.decode(stored.body) for stored in machine.log.stored]
    assert [one.detail["lost"] for one in told if "lost" in one.detail] == [3]


async def test_a_backend_that_begins_again_with_nothing_gets_all_records_again(tmp_path):
    async with place(tmp_path) as here:
        machine = await filled(here, 150)
    shutil.rmtree(tmp_path / "records")
    here.backend = here.make(here.backend.endpoint)
    async with serving(here.backend), running(machine.sync.run()):
        await until(lambda: bool(causes(machine)))
        await until(lambda: all_there(here, machine))
        assert causes(machine) == ["restored"]


async def test_records_cut_off_the_end_are_told_on_both_sides_and_never_acknowledged(
    tmp_path, capsys
):
    async with place(tmp_path) as here:
        whole = await filled(here, 5)
        older = FakeAudit()
        older.stored = whole.log.stored[:3]
        older.acknowledged = {1, 2, 3}
        machine = here.machine(2, older)
        async with running(machine.sync.run()):
            await until(lambda: machine.halt == "tail_cut")
            await until(lambda: causes(machine) == ["tail_cut"])
            assert "hub-1: TAIL_CUT: its newest record is 3, but 5 are held here" in (
                capsys.readouterr().err
            )
            assert "gets no order" in str(await here.opens())
            assert machine.released == []
            assert older.waiting() == 1
            old = here.backend.accept("hub-1")
            await until(lambda: machine.speaks and older.waiting() == 0)
            assert here.backend.records("hub-1") == older.stored
            assert kept(old) == whole.log.stored
            assert await here.opens() is ReleaseOutcome.RELEASED


async def test_a_cut_is_told_again_after_a_restart_of_the_backend(tmp_path):
    async with place(tmp_path) as here:
        whole = await filled(here, 5)
        whole.log.stored = whole.log.stored[:4]
        whole.log.acknowledged = {1, 2, 3, 4}
        async with running(whole.sync.run()):
            await until(lambda: whole.halt == "tail_cut")
    here.backend = here.make(here.backend.endpoint)
    async with serving(here.backend), running(whole.sync.run()):
        await until(lambda: whole.halt == "tail_cut")
        here.backend.accept("hub-1")
        await until(lambda: whole.speaks and whole.log.waiting() == 0)
        assert here.backend.records("hub-1") == whole.log.stored


async def test_records_that_were_all_acknowledged_and_then_rewritten_are_a_fork_at_once(tmp_path):
    async with place(tmp_path) as here:
        whole = await filled(here, 3)
        other = FakeAudit()
        for number in range(3):
            other.append(Record(RecordKind.ACCESS, number, number, {"door": 9}))
        other.acknowledged = {1, 2, 3}
        machine = here.machine(2, other)
        async with running(machine.sync.run()):
            await until(lambda: machine.halt == "fork")
            old = here.backend.accept("hub-1")
            await until(lambda: machine.speaks and other.waiting() == 0)
            assert here.backend.records("hub-1") == other.stored
            assert kept(old) == whole.log.stored
