"""Two machines with one hub's keys, a state that was replaced or restored, a record that is lost.

Each is noticed on both sides, and mended by a decision that keeps the evidence.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hubcore.backend.pace import Pace
from hubcore.backend.talk.effects import UplinkPhase
from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.backend.uplink.from_backend import Release
from hubcore.backend.uplink.from_hub import Result
from hubcore.backend.uplink.words import PROTOCOL, OrderOutcome, ReleaseOutcome
from hubcore.errors import LinkError
from hubcore.evidence.records import Record, RecordKind, StoredRecord
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.keys.uplinkkeys import UplinkKeys, key_from_text
from hubd.backend.identity import Identity
from hubd.backend.orders import Orders
from hubd.backend.sync import Sync
from hubsim.backend.control import MAX_LINE_BYTES, Control
from hubsim.backend.server import Backend
from tests.fakes.audit import FakeAudit
from tests.fakes.uplink import FakeUplinkListener
from tests.scenario.test_uplink import FAST, Keys, running, serving, system_clock, until

pytestmark = pytest.mark.asyncio

PROBE = 0.2


class Machine:
    """A hub's link and talk, with its own boot id, on keys that others may have, too."""

    def __init__(
        self,
        endpoint: str,
        keys: Keys,
        backend_public: str,
        boot: int,
        log: FakeAudit | None = None,
    ) -> None:
        self.log = log or FakeAudit()
        self.released: list[Release] = []
        self.boot = bytes([boot] * 16)
        link = CurveUplink(
            endpoint, UplinkKeys(keys.secret, keys.public, key_from_text(backend_public)), FAST
        )
        self.appended = asyncio.Event()
        self.sync = Sync(
            uplink=link,
            records=self.log,
            orders=Orders(self.release, self.accept, lambda: 1, lambda: bytes(32), self.stand),
            identity=Identity("hub-1", "site", self.boot, "0.1.0"),
            clock=system_clock(),
            pace=Pace(
                acknowledge_seconds=0.2,
                welcome_seconds=0.3,
                ping_seconds=0.1,
                silent_seconds=5.0,
                halted_seconds=0.2,
                halt_again_seconds=0.0,
                retry_seconds=0.05,
            ),
            appended=self.appended,
        )

    async def release(self, order: Release) -> Result:
        self.released.append(order)
        return Result(order.id, ReleaseOutcome.RELEASED, "")

    async def stand(self, order: from_backend.Order) -> from_hub.OrderResult:
        return from_hub.OrderResult(order.id, OrderOutcome.TAKEN, "")

    async def accept(self, _document: bytes, _carrier: object) -> int:
        return 1

    async def add(self, count: int) -> None:
        await self.log.fill(count)
        self.appended.set()

    @property
    def halt(self) -> str | None:
        return self.sync.state.halt

    @property
    def speaks(self) -> bool:
        return self.sync.state.phase is UplinkPhase.SPEAKING

    def kinds(self) -> list[RecordKind]:
        return [Record.decode(stored.body).kind for stored in self.log.stored]


class Place:
    """A backend, and the keys of its one hub."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ours = Keys()
        self.theirs = Keys()
        self.backend = self.make("tcp://127.0.0.1:*")

    def make(self, endpoint: str) -> Backend:
        hubs = {self.ours.text: "hub-1"}
        return Backend(
            endpoint,
            self.theirs.secret_text,
            hubs,
            self.directory,
            probe_seconds=PROBE,
        )

    def machine(self, boot: int, log: FakeAudit | None = None) -> Machine:
        return Machine(self.backend.endpoint, self.ours, self.backend.public, boot, log)

    async def opens(self) -> ReleaseOutcome | str:
        try:
            return (await self.backend.release("hub-1", 1, 2.0)).outcome
        except LinkError as error:
            return str(error)


@contextlib.asynccontextmanager
async def place(directory: Path) -> AsyncIterator[Place]:
    here = Place(directory)
    async with serving(here.backend):
        yield here


async def test_two_machines_with_one_hubs_keys_are_told_on_both_sides_and_open_nothing(
    tmp_path, capsys
):
    async with place(tmp_path) as here:
        first = here.machine(1)
        second = here.machine(2)
        await first.add(2)
        async with running(first.sync.run()):
            await until(lambda: first.log.waiting() == 0)
            async with running(second.sync.run()):
                await until(lambda: first.halt == second.halt == "two_hubs")
                answer = await here.opens()
                assert "two machines speak as this hub" in str(answer)
                assert first.released == second.released == []
                await until(lambda: RecordKind.BREAK in first.kinds())
                await until(lambda: RecordKind.BREAK in second.kinds())
                assert "TWO_HUBS" in capsys.readouterr().err
                kept = here.backend.keep("hub-1", "0101")
                assert kept == first.boot.hex()
                await until(lambda: first.speaks and first.log.waiting() == 0)
                assert second.halt == "two_hubs"
                assert await here.opens() is ReleaseOutcome.RELEASED
                assert (len(first.released), second.released) == (1, [])
                assert "another machine stays this hub" in second.sync.state.why


async def test_no_order_goes_out_from_the_moment_the_second_one_comes(tmp_path):
    async with place(tmp_path) as here:
        first = here.machine(1)
        second = here.machine(2)
        async with running(first.sync.run()):
            await until(lambda: first.speaks)
            assert await here.opens() is ReleaseOutcome.RELEASED
            async with running(second.sync.run()):
                await until(lambda: second.sync.state.phase is not UplinkPhase.DOWN)
                for _ in range(40):
                    answer = await here.opens()
                    if answer is ReleaseOutcome.RELEASED:  # the second had not said Hello yet
                        assert second.released == []
                    await asyncio.sleep(0.01)
                assert second.released == []


async def test_who_was_decided_against_is_refused_after_a_restart_of_the_backend_too(tmp_path):
    async with place(tmp_path) as here:
        first = here.machine(1)
        second = here.machine(2)
        async with running(first.sync.run()), running(second.sync.run()):
            await until(lambda: first.halt == second.halt == "two_hubs")
    again = here.make(here.backend.endpoint)
    here.backend = again
    async with serving(again), running(first.sync.run()), running(second.sync.run()):
        await until(lambda: first.sync.state.connected and second.sync.state.connected)
        assert "two machines" in str(await here.opens())
        for wrong in ("", "03", "0"):
            with pytest.raises(ValueError, match="boot"):
                again.keep("hub-1", wrong)
        again.keep("hub-1", "0202")
        await until(lambda: second.speaks and first.halt == "two_hubs")
        assert await here.opens() is ReleaseOutcome.RELEASED
        assert first.released == []
        with pytest.raises(ValueError, match="not stopped"):
            again.keep("hub-1", "0202")


async def test_a_copy_whose_records_differ_is_two_hubs_first_and_then_a_fork(tmp_path):
    async with place(tmp_path) as here:
        first = here.machine(1)
        second = here.machine(2)
        await first.add(2)
        await second.log.append(Record(RecordKind.STARTED, 99, 99, {}))
        async with running(first.sync.run()):
            await until(lambda: first.log.waiting() == 0)
            async with running(second.sync.run()):
                await until(lambda: first.halt == second.halt == "two_hubs")
                with pytest.raises(ValueError, match="not stopped for a break"):
                    here.backend.accept("hub-1")
                here.backend.keep("hub-1", "0202")
                await until(lambda: second.halt == "fork")
                here.backend.accept("hub-1")
                await until(lambda: second.speaks and second.log.waiting() == 0)
                assert first.released == second.released == []
                assert first.halt == "two_hubs"


async def test_while_somebody_silent_may_be_there_nothing_is_accepted_and_no_order_goes_out(
    tmp_path,
):
    async with place(tmp_path) as here:
        before = here.machine(1)
        await before.add(2)
        async with running(before.sync.run()):
            await until(lambda: before.log.waiting() == 0)
        silent = CurveUplink(
            here.backend.endpoint,
            UplinkKeys(here.ours.secret, here.ours.public, key_from_text(here.backend.public)),
            FAST,
        )
        hello = Identity("hub-1", "site", bytes([3] * 16), "0.1.0").hello(
            policy_version=1, policy_digest=bytes(32), head=before.log.head(), waiting=0
        )
        heard = FakeUplinkListener()
        after = here.machine(2)
        await after.log.append(Record(RecordKind.STARTED, 99, 99, {}))
        async with running(silent.serve(heard)):
            await until(lambda: heard.ups > 0 and silent.send(codec.encode(hello)))
            await until(lambda: bool(here.backend.speakers.seats.others("hub-1")))
            assert "still open" in str(await here.opens())
            async with running(after.sync.run()):
                await until(lambda: after.halt == "fork")
                with pytest.raises(ValueError, match="still open"):
                    here.backend.accept("hub-1")
        async with running(after.sync.run()):
            await until(lambda: after.halt == "fork")
            await until(lambda: accepted(here))
            await until(lambda: after.speaks and after.log.waiting() == 0)
        assert all(
            isinstance(codec.decode_from_backend(one), SAID_TO_ALL) for one in heard.messages
        )


SAID_TO_ALL = (from_backend.Probe, from_backend.Halt)


def accepted(here: Place) -> bool:
    with contextlib.suppress(ValueError):
        here.backend.accept("hub-1")
        return True
    return False


async def test_a_hub_that_restarts_or_reconnects_is_one_hub(tmp_path):
    async with place(tmp_path) as here:
        log = FakeAudit()
        for boot in range(1, 6):
            machine = here.machine(boot, log)
            await machine.add(1)
            async with running(machine.sync.run()):
                await until(lambda: machine.speaks and log.waiting() == 0)  # noqa: B023
                await until_opened(here)
        assert here.backend.decisions.stops() == {}
        assert here.backend.records("hub-1") == log.stored


async def until_opened(here: Place) -> None:
    async with asyncio.timeout(5):
        while await here.opens() is not ReleaseOutcome.RELEASED:  # noqa: ASYNC110 - nobody tells when it may
            await asyncio.sleep(0.02)


async def test_a_state_that_begins_again_stops_the_hub_until_it_is_accepted(
    tmp_path,
):
    async with place(tmp_path) as here:
        before = here.machine(1)
        await before.add(5)
        async with running(before.sync.run()):
            await until(lambda: before.log.waiting() == 0)
        after = here.machine(2)
        await after.log.append(Record(RecordKind.STARTED, 99, 99, {}))
        async with running(after.sync.run()):
            await until(lambda: after.halt == "fork")
            assert after.sync.state.known == f"5:{before.log.stored[-1].hash.hex()}"
            await until(lambda: RecordKind.BREAK in after.kinds())
            assert "other bytes" in str(await here.opens())
            old = here.backend.accept("hub-1")
            await until(lambda: after.speaks and after.log.waiting() == 0)
            assert here.backend.records("hub-1") == after.log.stored
            assert kept(old) == before.log.stored
            assert await here.opens() is ReleaseOutcome.RELEASED
            with pytest.raises(ValueError, match="not stopped"):
                here.backend.accept("hub-1")


def kept(path: Path) -> list[StoredRecord]:
    with contextlib.closing(sqlite3.connect(path)) as file:
        return [
            StoredRecord(*row)
            for row in file.execute("SELECT number, body, hash FROM record ORDER BY number")
        ]


@pytest.mark.parametrize("acknowledged", [0, 3])
async def test_a_state_restored_from_a_copy_goes_on_from_what_both_have(
    tmp_path, acknowledged: int
):
    async with place(tmp_path) as here:
        before = here.machine(1)
        await before.add(3)
        copy = list(before.log.stored)
        await before.add(4)
        async with running(before.sync.run()):
            await until(lambda: before.log.waiting() == 0)
        restored = FakeAudit()
        restored.stored = copy
        restored.acknowledged = set(range(1, acknowledged + 1))
        await restored.append(Record(RecordKind.STARTED, 99, 99, {}))
        after = here.machine(2, restored)
        async with running(after.sync.run()):
            await until(lambda: after.halt == "fork")
            old = here.backend.accept("hub-1")
            await until(lambda: after.speaks and restored.waiting() == 0)
            assert here.backend.records("hub-1") == restored.stored
            assert kept(old) == before.log.stored


async def test_a_record_lost_among_those_that_wait_is_a_gap_and_not_silence(tmp_path):
    async with place(tmp_path) as here:
        machine = here.machine(1)
        await machine.add(2)
        async with running(machine.sync.run()):
            await until(lambda: machine.log.waiting() == 0)
            machine.log.acknowledged.add(3)  # its row is gone from the outbox
            await machine.add(3)
            await until(lambda: machine.halt == "gap")
            assert machine.sync.state.known == f"2:{machine.log.stored[1].hash.hex()}"
            here.backend.accept("hub-1")
            await until(lambda: machine.speaks and machine.log.waiting() == 0)
            assert [record.number for record in here.backend.records("hub-1")][:2] == [4, 5]


async def test_records_that_come_late_for_a_moment_are_no_gap(tmp_path):
    """The first of a window is refused by a full disk, those behind it are early; then the disk has
    room again.
    """
    async with place(tmp_path) as here:
        machine = here.machine(1)
        store = here.backend.evidence.store("hub-1")
        store._db.execute("PRAGMA query_only = 1")
        await machine.add(10)
        async with running(machine.sync.run()):
            await until(lambda: machine.sync.state.counters.get("resends", 0) >= 2)
            assert machine.halt is None
            store._db.execute("PRAGMA query_only = 0")
            await until(lambda: machine.log.waiting() == 0)
            assert here.backend.decisions.stops() == {}


# The operator's socket.


async def lines(directory: Path, *sent: bytes) -> list[dict[str, object]]:
    reader, writer = await asyncio.open_unix_connection(directory / "backend.sock")
    try:
        answers = []
        for line in sent:
            writer.write(line + b"\n")
            async with asyncio.timeout(5):
                await writer.drain()
                answers.append(json.loads(await reader.readline()))
        return answers
    finally:
        writer.close()


@pytest.mark.parametrize("size", [MAX_LINE_BYTES - 1, MAX_LINE_BYTES + 1, 5 * MAX_LINE_BYTES])
async def test_a_line_of_any_length_gets_one_answer_and_ends_nothing(tmp_path, size: int):
    async with place(tmp_path) as here:
        ready = asyncio.Event()
        async with running(Control(here.backend, tmp_path).serve(ready.set)):
            await ready.wait()
            long = b'{"do": "hubs", "x": "' + b"x" * (size - 23) + b'"}'
            first, second = await lines(tmp_path, long, b'{"do": "hubs"}')
            assert first["ok"] is (size < MAX_LINE_BYTES)
            assert second["ok"] is True


async def test_what_is_stopped_is_shown_and_decided_by_an_operator(tmp_path):
    async with place(tmp_path) as here:
        ready = asyncio.Event()
        async with running(Control(here.backend, tmp_path).serve(ready.set)):
            await ready.wait()
            before = here.machine(1)
            after = here.machine(2)
            await before.add(1)
            async with running(before.sync.run()):
                await until(lambda: before.log.waiting() == 0)
            await after.log.append(Record(RecordKind.STARTED, 99, 99, {}))
            async with running(after.sync.run()):
                await until(lambda: after.halt == "fork")
                told, wrong, done = await lines(
                    tmp_path,
                    b'{"do": "hubs"}',
                    b'{"do": "keep", "hub": "hub-1", "boot": "01"}',
                    b'{"do": "accept", "hub": "hub-1"}',
                )
                assert told["stopped"]["hub-1"]["cause"] == "fork"  # type: ignore[index,call-overload]
                assert (wrong["ok"], done["ok"]) == (False, True)
                assert kept(Path(str(done["old"]))) == before.log.stored
                await until(lambda: after.speaks)


async def test_more_records_than_a_page_come_in_pages(tmp_path):
    async with place(tmp_path) as here:
        log = FakeAudit()
        await log.fill(2300)
        here.backend.evidence.store("hub-1").keep(log.stored)
        ready = asyncio.Event()
        async with running(Control(here.backend, tmp_path).serve(ready.set)):
            await ready.wait()
            control = Control(here.backend, tmp_path)
            numbers: list[int] = []
            more = True
            while more:
                order = {"do": "records", "hub": "hub-1", "after": numbers[-1] if numbers else 0}
                answer = await control.answer(json.dumps(order).encode())
                numbers += [record["number"] for record in answer["records"]]
                more = answer["more"]
            assert numbers == list(range(1, 2301))


async def test_a_halt_is_part_of_the_link_of_version_2():
    assert PROTOCOL == 2
    assert codec.FROM_BACKEND[21] is from_backend.Halt
