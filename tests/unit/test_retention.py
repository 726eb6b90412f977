"""The oldest records go at the budget, once the backend has them, and a signed checkpoint stands
for them: in any order of events, and over a crash at any durable step.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.errors import AuditError
from hubcore.evidence.checkpoint import DOCUMENT_BYTES, Checkpoint, Folding, prove, read_unproven
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import (
    BODY_BYTES,
    Head,
    Record,
    RecordKind,
    StoredRecord,
    chain_hash,
)
from hubcore.evidence.statecheck import read_logged_state
from hubcore.evidence.uses import Use, UseTable, read_change
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubctl.main import hubctl
from hubd.adapters.sqlite.audit import AuditStore
from hubd.adapters.sqlite.audit_start import open_log
from hubd.adapters.sqlite.audit_writer import BATCH_LIMIT, Append, Writer
from hubd.adapters.sqlite.tables.records import acknowledge, insert_records, take_back
from hubd.adapters.sqlite.tables.retention import PAUSE_SECONDS, Remover, Retention
from hubd.adapters.sqlite.tables.uses import change_uses
from hubterm.exits import UNREADABLE, USAGE

KEY = SigningKey(ec.derive_private_key(7, ec.SECP256R1()))
OTHER_KEY = SigningKey(ec.derive_private_key(8, ec.SECP256R1()))
ALL = Retention(budget_bytes=0, hub="hub-1", site="site-1", key=KEY, kept=2, step=3)
"""A log that is always above its budget."""
DAY = 86_400
START_MS = 1_790_000_000_000
PATIENCE_SECONDS = 20.0


def door(n: int) -> Record:
    return Record(RecordKind.DOOR, START_MS + n, n, {"door": "front"})


def spent(n: int, grant: int, use: int) -> Record:
    detail = {
        "grant": bytes([grant]) * 16,
        "use": use,
        "op": n.to_bytes(8, "big"),
        "expires": START_MS // 1000 + grant * DAY,
        "allowed": True,
    }
    return Record(RecordKind.ACCESS, START_MS + n * 40 * DAY * 1000 // 10, n, detail)


def given_back(n: int, grant: int, use: int, op: int) -> Record:
    detail = {
        "grant": bytes([grant]) * 16,
        "use": use,
        "of": op.to_bytes(8, "big"),
        "moved": False,
    }
    return Record(RecordKind.FAULT, START_MS + n, n, detail)


def started(n: int, version: int) -> Record:
    detail = {"expected": version, "doubt": "policy-older", "doubted": 1, "orders": cbor.encode([])}
    return Record(RecordKind.STARTED, START_MS + n, n, detail)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(PAUSE_SECONDS / 5)


def run(path: Path, *more: str) -> Result:
    return CliRunner().invoke(hubctl, ["audit", "verify", "--file", str(path), *more])


def sql(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement, values in statements:
            connection.execute(statement, values)


async def pruned(path: Path, count: int = 12, acknowledged: int = 10) -> int:
    """Make a closed log whose oldest records have gone; return the newest that went."""
    async with await AuditStore.open(path, ALL) as store:
        for n in range(count):
            await store.append(spent(n, 50, n + 1) if n < 4 else door(n))
        await store.acknowledge(range(1, acknowledged + 1))
        await until(lambda: store.gone() == min(acknowledged, count - ALL.kept))
        return store.gone()


@pytest.mark.asyncio
async def test_the_oldest_go_and_a_start_and_verify_go_on_from_the_checkpoint(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    assert await pruned(path) == 10
    async with await AuditStore.open(path, ALL) as store:
        assert (store.gone(), store.last(), store.waiting(), store.mended) == (10, 12, 2, 0)
        assert (len(store.uses()), store.uses_mended) == (4, 0)
        assert [one.number for one in store.newest(100, 100)] == [11, 12]
        assert await store.append(door(12)) == 13
    result = run(path)
    assert result.exit_code == 0, result.output
    assert ": 3 records" in result.output
    assert "records 1 to 10 have gone" in result.output
    assert "Not checked: who signed the checkpoint." in result.output
    listed = CliRunner().invoke(hubctl, ["audit", "list", "--file", str(path), "--json"])
    assert [json.loads(line)["number"] for line in listed.output.splitlines()] == [11, 12, 13]


@pytest.mark.asyncio
async def test_nothing_goes_that_the_backend_does_not_have_nor_what_a_start_asks_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path, ALL) as store:
        for n in range(9):
            await store.append(door(n))
        await store.acknowledge([1, 2, 4, 5, 6, 7, 8, 9])
        await until(lambda: store.gone() == 2)
        assert (await store.unacknowledged(0, 10))[0].number == 3
        await store.acknowledge([3])
        await until(lambda: store.gone() == 9 - ALL.kept)
    async with await AuditStore.open(path, replace(ALL, budget_bytes=1 << 30)) as store:
        await store.append(door(9))
        await store.acknowledge([10])
        await until(lambda: store.room().budget_bytes > 0)
        assert store.gone() == 7


def filled_by_hand(path: Path, records: list[Record], acknowledged: int) -> sqlite3.Connection:
    """Make a log without the writer's thread, so that each durable step is one's own."""
    opened = open_log(path, retention=ALL)
    os.close(opened.lock)
    connection = opened.connection
    head = opened.head
    connection.execute("BEGIN")
    for record in records:
        number = head.number + 1
        body = record.encode()
        head = Head(number, chain_hash(head.hash, number, body))
        insert_records(connection, [(number, record.at_ms, body, head.hash)])
        change = read_change(record)
        if change is not None:
            change_uses(connection, [(number, change)])
    if acknowledged:
        acknowledge(connection, range(1, acknowledged + 1))
    connection.execute("COMMIT")
    return connection


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("door")),
        st.tuples(st.just("spend"), st.integers(1, 6), st.integers(1, 2)),
        st.tuples(st.just("give"), st.integers(1, 6), st.integers(1, 2)),
        st.tuples(st.just("state"), st.integers(1, 9)),
        st.tuples(st.just("acknowledge"), st.integers(1, 8)),
        st.tuples(st.just("restore"), st.integers(1, 8)),
        st.tuples(st.just("prune")),
        st.tuples(st.just("crash")),
    ),
    min_size=4,
    max_size=30,
)


class Model:
    """A log in which all that is durable is known, and its file; a crash keeps the file alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[Record] = []
        self.ops: dict[tuple[int, int], int] = {}
        self.acknowledged = 0
        self._open()

    def _open(self) -> None:
        opened = open_log(self.path, retention=ALL)
        os.close(opened.lock)
        assert (opened.mended, opened.uses_mended) == (0, 0)
        assert opened.head.number == len(self.records)
        assert opened.waiting == len(self.records) - self.acknowledged
        self.connection = opened.connection
        self.head = opened.head
        self.remover = Remover(ALL, opened.checkpoint)

    def do(self, event: tuple[object, ...]) -> None:
        n = len(self.records)
        match event:
            case ("door",):
                self.append(door(n))
            case ("spend", int(grant), int(use)):
                self.ops[grant, use] = n
                self.append(spent(n, grant, use))
            case ("give", int(grant), int(use)):
                self.append(given_back(n, grant, use, self.ops.get((grant, use), 0)))
            case ("state", int(version)):
                self.append(started(n, version))
            case ("acknowledge", int(count)):
                numbers = range(self.acknowledged + 1, min(n, self.acknowledged + count) + 1)
                self.acknowledged += len(numbers)
                if numbers:
                    self.connection.execute("BEGIN")
                    acknowledge(self.connection, numbers)
                    self.connection.execute("COMMIT")
            case ("restore", int(lost)):
                gone = self.remover.checkpoint.head.number
                after = max(gone, self.acknowledged - lost)
                self.connection.execute("BEGIN")
                take_back(self.connection, after)
                self.connection.execute("COMMIT")
                self.acknowledged = after
            case ("prune",):
                self.remover.look(self.connection, self.head, self.acknowledged)
                if self.remover.has_work():
                    self.remover.step(self.connection)
            case ("crash",):
                self.crash()

    def append(self, record: Record) -> None:
        number = self.head.number + 1
        body = record.encode()
        self.head = Head(number, chain_hash(self.head.hash, number, body))
        self.connection.execute("BEGIN")
        insert_records(self.connection, [(number, record.at_ms, body, self.head.hash)])
        change = read_change(record)
        if change is not None:
            change_uses(self.connection, [(number, change)])
        self.connection.execute("COMMIT")
        self.records.append(record)

    def crash(self) -> None:
        """Go on from the bytes on the disk, with whatever the write-ahead log holds."""
        copy = Path(tempfile.mkdtemp(dir=self.path.parent))
        for file in self.path.parent.glob(f"{self.path.name}*"):
            shutil.copy(file, copy / file.name)
        self.connection.close()
        self.path = copy / self.path.name
        self._open()

    def check(self) -> None:
        gone = self.remover.checkpoint.head.number
        assert gone <= max(0, min(self.acknowledged, len(self.records) - ALL.kept))
        rows = self.connection.execute("SELECT number, body FROM records ORDER BY number")
        assert [(n, Record.decode(body)) for n, body in rows] == list(
            enumerate(self.records[gone:], start=gone + 1)
        )
        waiting = self.connection.execute("SELECT number FROM outbox ORDER BY number")
        assert [n for (n,) in waiting] == list(range(self.acknowledged + 1, len(self.records) + 1))
        table = UseTable()
        for record in self.records:
            change = read_change(record)
            if change is not None:
                table.take(change)
        found = self.connection.execute("SELECT grant_id, use, op, expires FROM uses")
        assert {Use(*row) for row in found} == set(table.standing().values())
        about = [r for r in self.records[:gone] if r.kind is RecordKind.STARTED]
        carried = self.remover.checkpoint.state
        assert (carried and Record.decode(carried.body)) == (about[-1] if about else None)
        assert self.remover.checkpoint.orders == carried


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_in_any_order_nothing_unacknowledged_goes_and_the_chain_and_uses_hold(
    events: list[tuple[object, ...]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder) / "audit.db")
        for event in events:
            model.do(event)
            model.check()
        model.crash()
        model.check()
        model.connection.close()
        result = run(model.path)
        assert result.exit_code == 0, result.output


def test_a_step_that_dies_before_its_commit_removes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    connection = filled_by_hand(path, [spent(n, 50, n + 1) for n in range(9)], 9)
    remover = Remover(ALL, Checkpoint())
    (hash_,) = connection.execute("SELECT hash FROM records WHERE number = 9").fetchone()
    remover.look(connection, Head(9, hash_), 9)

    def no_commit(action: int, name: str | None, *_: object) -> int:
        is_commit = action == sqlite3.SQLITE_TRANSACTION and name == "COMMIT"
        return sqlite3.SQLITE_DENY if is_commit else sqlite3.SQLITE_OK

    connection.set_authorizer(no_commit)
    with pytest.raises(sqlite3.Error):
        remover.step(connection)
    connection.close()
    assert remover.checkpoint == Checkpoint()
    opened = open_log(path, retention=ALL)
    os.close(opened.lock)
    assert (opened.checkpoint, opened.uses_mended) == (Checkpoint(), 0)
    assert opened.connection.execute("SELECT count(*) FROM records").fetchone() == (9,)
    assert opened.connection.execute("SELECT count(*) FROM checkpoint_uses").fetchone() == (0,)
    opened.connection.close()


def signed(head: Head, key: SigningKey = KEY, hub: str = "hub-1", site: str = "site-1") -> bytes:
    return Checkpoint(head).sign(hub, site, key)


async def head_of(path: Path, number: int) -> Head:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (hash_,) = connection.execute(
            "SELECT hash FROM records WHERE number = ?", (number,)
        ).fetchone()
    return Head(number, hash_)


FORGED: dict[str, Callable[[Head], bytes]] = {
    "another key": lambda head: signed(head, OTHER_KEY),
    "another hub": lambda head: signed(head, hub="hub-2"),
    "another site": lambda head: signed(head, site="site-2"),
    "another hash": lambda head: signed(Head(head.number, bytes(32))),
    "an older one": lambda head: signed(Head(head.number - 1, head.hash)),
    "a newer one": lambda head: signed(Head(head.number + 1, head.hash)),
    "other bytes": lambda head: signed(head)[:-1] + b"\x00",
    "no document": lambda head: b"",
    "too long": lambda head: bytes(DOCUMENT_BYTES + 1),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("what", FORGED)
async def test_a_forged_or_edited_checkpoint_is_broken_evidence(tmp_path: Path, what: str) -> None:
    path = tmp_path / "audit.db"
    await pruned(path)
    before = tmp_path / "before.db"
    async with await AuditStore.open(before) as store:
        for n in range(12):
            await store.append(spent(n, 50, n + 1) if n < 4 else door(n))
    document = FORGED[what](await head_of(before, 10))
    sql(
        path,
        ("UPDATE checkpoint SET document = ?", (document,)),
        ("DELETE FROM checkpoint_uses", ()),
    )
    with pytest.raises(AuditError, match="hubctl audit verify"):
        await AuditStore.open(path, ALL)
    assert run(path, *certified(tmp_path)).exit_code == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("DELETE FROM checkpoint", "checkpoint"),
        ("DELETE FROM checkpoint_uses", "uses beside the checkpoint"),
        ("UPDATE checkpoint_uses SET expires = expires + 1 WHERE use = 1", "uses beside"),
        ("DELETE FROM records WHERE number = 11", "record 11 is missing"),
        ("DELETE FROM records", "record 11 is missing"),
        ("DELETE FROM records;DELETE FROM outbox", "record 11 is missing"),
    ],
)
async def test_what_does_not_fit_the_checkpoint_is_broken_evidence(
    tmp_path: Path, statement: str, says: str
) -> None:
    path = tmp_path / "audit.db"
    await pruned(path)
    sql(path, *((one, ()) for one in statement.split(";")))
    with pytest.raises(AuditError, match=says):
        await AuditStore.open(path, ALL)
    result = run(path)
    assert (result.exit_code, says in result.output) == (1, True), result.output


@pytest.mark.asyncio
async def test_uses_are_made_again_from_the_checkpoint_on(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await pruned(path)
    sql(path, ("UPDATE uses SET op = x'00' WHERE use = 1", ()))
    assert "the table of spent uses was edited" in run(path).output
    async with await AuditStore.open(path, ALL) as store:
        assert store.uses_mended == 1
        assert {use.number for use in store.uses()} == {1, 2, 3, 4}
    assert run(path).exit_code == 0


def certified(folder: Path, key: SigningKey = KEY) -> list[str]:
    """Write the hub's certificate and its issuer's key; return the options that name them."""
    issuer = OTHER_KEY
    certificate = HubCertificate(
        site="site-1",
        hub="hub-1",
        not_before=0,
        expires=1,
        key=key.verify_key,
        access_points=(1,),
    )
    (folder / "certificate").write_bytes(issue_hub_certificate(issuer, certificate, key.cose_key))
    (folder / "issuer").write_bytes(cbor.encode(issuer.cose_key))
    return ["--certificate", str(folder / "certificate"), "--issuer", str(folder / "issuer")]


@pytest.mark.asyncio
async def test_verify_checks_who_signed_and_says_what_it_did_not_check(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await pruned(path)
    result = run(path, *certified(tmp_path))
    assert (result.exit_code, "The hub signed the checkpoint." in result.output) == (0, True)
    told = json.loads(run(path, "--json").output)
    assert told["checkpoint"].startswith("10:")
    assert (told["records"], told["head"].split(":")[0]) == (2, "12")
    assert (told["checkpoint_signed"], told["holds"]) == (False, True)
    old = f"3:{'00' * 32}"
    assert "Not checked: the head that you gave" in run(path, "--head", old).output
    at_checkpoint = f"10:{'00' * 32}"
    assert "record 10 is not the one that was known" in run(path, "--head", at_checkpoint).output
    assert run(path, *certified(tmp_path, OTHER_KEY)).exit_code == 1
    assert run(path, "--certificate", str(tmp_path / "certificate")).exit_code == USAGE
    (tmp_path / "issuer").write_bytes(b"no key")
    options = ["--certificate", str(tmp_path / "certificate"), "--issuer", str(tmp_path / "issuer")]
    assert run(path, *options).exit_code == UNREADABLE


@pytest.mark.asyncio
async def test_what_a_start_asks_of_records_that_have_gone_is_in_the_checkpoint(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path, ALL) as store:
        await store.append(started(0, 7))
        for n in range(1, 8):
            await store.append(door(n))
        early = Head(1, store.newest(2, 1)[0].hash)
        await store.acknowledge(range(1, 9))
        await until(lambda: store.gone() == 6)
    async with await AuditStore.open(path, ALL) as store:
        told = read_logged_state(store.newest_about_state())
        orders = store.newest_about_orders()
        assert (told.version, str(told.doubt)) == (7, "policy-older")
        assert orders is not None
        assert (orders.number, Record.decode(orders.body)) == (1, started(0, 7))
        assert store.holds(early)
        assert not store.holds(Head(8, bytes(32)))
        assert not store.holds(Head(6, bytes(32)))


@pytest.mark.asyncio
async def test_of_a_restored_backend_only_what_is_left_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    assert await pruned(path) == 10
    async with await AuditStore.open(path, replace(ALL, budget_bytes=1 << 30)) as store:
        await store.acknowledge([11, 12])
        assert await store.take_back(4, 100)
        assert (store.newest_acknowledged(), store.waiting(), store.gone()) == (10, 2, 10)
    async with await AuditStore.open(path, ALL) as store:
        assert (store.newest_acknowledged(), store.waiting(), store.mended) == (10, 2, 0)
    assert run(path).exit_code == 0


@pytest.mark.asyncio
async def test_while_receipts_are_taken_back_nothing_goes(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path, replace(ALL, budget_bytes=1 << 30)) as store:
        for n in range(12):
            await store.append(door(n))
        await store.acknowledge(range(1, 13))
    opened = open_log(path, retention=ALL)
    os.close(opened.lock)
    remover = Remover(ALL, opened.checkpoint)
    remover.look(opened.connection, opened.head, 12)
    assert remover.has_work()
    remover.taking_back = True
    assert not remover.has_work()
    opened.connection.close()


@pytest.mark.asyncio
async def test_edited_records_stay_and_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path, replace(ALL, budget_bytes=1 << 30)) as store:
        for n in range(12):
            await store.append(door(n))
        await store.acknowledge(range(1, 13))
    sql(path, ("UPDATE records SET body = x'00' WHERE number = 2", ()))
    opened = open_log(path, checked=3, retention=ALL)
    os.close(opened.lock)
    remover = Remover(ALL, opened.checkpoint)
    remover.look(opened.connection, opened.head, 12)
    remover.step(opened.connection)
    assert "record 2 was edited" in remover.room().stopped_by
    assert not remover.has_work()
    assert opened.connection.execute("SELECT count(*) FROM records").fetchone() == (12,)
    opened.connection.close()


@pytest.mark.asyncio
async def test_a_log_of_which_records_went_is_not_opened_without_the_hubs_key(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.db"
    await pruned(path)
    with pytest.raises(AuditError, match="no key to check it with"):
        await AuditStore.open(path)


class Eager(Remover):
    """Always has something to remove, and notes when its turn comes."""

    def __init__(self, turns: list[str]) -> None:
        super().__init__(ALL, Checkpoint())
        self.turns = turns

    def has_work(self) -> bool:
        return self.turns[-1:] != ["step"]

    def step(self, connection: sqlite3.Connection) -> None:
        self.turns.append("step")


@pytest.mark.asyncio
async def test_no_step_runs_while_records_wait_for_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    opened = open_log(path)
    os.close(opened.lock)
    turns: list[str] = []
    writer = Writer(
        path=path,
        connection=opened.connection,
        head=opened.head,
        waiting=0,
        acknowledged=0,
        remover=Eager(turns),
        deliver=lambda batch: turns.append("commit") if batch.results else None,
    )
    loop = asyncio.get_running_loop()
    for n in range(3 * BATCH_LIMIT):
        writer.put(Append(door(n).encode(), START_MS + n, loop.create_future()))
    writer.start()
    await until(lambda: "step" in turns)
    writer.put(None)
    await asyncio.to_thread(writer.join)
    assert turns == ["commit", "commit", "commit", "step"]


PRESSED = replace(ALL, step=8, pause_seconds=3600.0, slack_bytes=0)
"""A log that is always pressed, and for which no pause is long enough."""


@pytest.mark.asyncio
async def test_under_a_load_without_a_pause_the_log_does_not_grow(tmp_path: Path) -> None:
    async with await AuditStore.open(tmp_path / "audit.db", PRESSED) as store:
        for n in range(0, 400, 4):
            appends = [store.append(door(n + more)) for more in range(4)]
            await store.acknowledge(await asyncio.gather(*appends))
            assert store.last() - store.gone() <= 2 * len(appends) + PRESSED.kept
        assert store.last() == 400


@pytest.mark.asyncio
async def test_a_pressed_log_loses_two_records_for_each_that_comes(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path, replace(ALL, budget_bytes=1 << 30)) as store:
        numbers = await asyncio.gather(*(store.append(door(n)) for n in range(200)))
        await store.acknowledge(numbers)
    async with await AuditStore.open(path, PRESSED) as store:
        await asyncio.gather(*(store.append(door(n)) for n in range(200, 280)))
        assert store.gone() >= 2 * 80 - PRESSED.step
    assert run(path).exit_code == 0


@pytest.mark.asyncio
async def test_within_its_slack_a_log_waits_for_a_pause(tmp_path: Path) -> None:
    roomy = replace(PRESSED, slack_bytes=1 << 20)
    async with await AuditStore.open(tmp_path / "audit.db", roomy) as store:
        await store.acknowledge([await store.append(door(n)) for n in range(20)])
        await store.append(door(20))
        assert store.room().used_bytes > roomy.budget_bytes
        assert store.gone() == 0


def test_a_step_is_bounded_and_there_is_none_within_the_budget(tmp_path: Path) -> None:
    connection = filled_by_hand(tmp_path / "audit.db", [door(n) for n in range(20)], 20)
    remover = Remover(ALL, Checkpoint())
    (hash_,) = connection.execute("SELECT hash FROM records WHERE number = 20").fetchone()
    roomy = Remover(replace(ALL, budget_bytes=1 << 20), Checkpoint())
    used = roomy.look(connection, Head(20, hash_), 20).used_bytes
    exact = Remover(replace(ALL, budget_bytes=used), Checkpoint())
    exact.look(connection, Head(20, hash_), 20)
    assert not roomy.has_work()
    assert not exact.has_work()
    for steps in range(1, 7):
        remover.look(connection, Head(20, hash_), 20)
        assert remover.has_work()
        remover.step(connection)
        assert remover.checkpoint.head.number == ALL.step * steps
    remover.look(connection, Head(20, hash_), 20)
    assert not remover.has_work()
    connection.close()


def test_the_longest_checkpoint_is_within_its_ceiling() -> None:
    body = b"\x00" * BODY_BYTES
    last = (1 << 63) - 1
    longest = Checkpoint(
        head=Head(last, bytes(32)),
        state=StoredRecord(last, body, bytes(32)),
        orders=StoredRecord(last, body, bytes(32)),
    )
    document = longest.sign("h" * 32, "s" * 32, KEY)
    assert len(document) <= DOCUMENT_BYTES
    assert prove(document, "h" * 32, "s" * 32, KEY.verify_key) == longest
    assert read_unproven(document) == longest


@given(st.binary(max_size=80))
@settings(max_examples=50, deadline=None)
def test_bytes_that_are_no_checkpoint_are_refused(data: bytes) -> None:
    for document in (data, None, 3, str(data)):
        with pytest.raises(AuditError):
            prove(document, "hub-1", "site-1", KEY.verify_key)
        with pytest.raises(AuditError):
            read_unproven(document)


def test_records_of_a_later_version_fold_as_nothing() -> None:
    body = cbor.encode({"at": 1, "kind": "later", "mono": 1, str(Fact.ORDERS): b""})
    record = StoredRecord(1, body, chain_hash(bytes(32), 1, body))
    folding = Folding(Checkpoint())
    folding.take(record)
    assert folding.folded(b"").orders is None
