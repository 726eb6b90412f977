"""A file of records proves itself: whatever is changed, left out, doubled or moved in it is found,
and the first wrong record is named.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.words import HubName
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.errors import AuditError
from hubcore.evidence.export import (
    UNSIGNED,
    Ends,
    Export,
    prove,
    write_begin,
    write_record,
)
from hubcore.evidence.records import (
    BODY_BYTES,
    Head,
    Record,
    RecordKind,
    StoredRecord,
    chain_hash,
    facts,
)
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubctl.commands.audit.exported import check
from hubctl.main import hubctl
from hubd.adapters.sqlite.audit import AuditStore
from hubd.calls.evidence import EACH, EvidenceCalls
from hubd.calls.evidence import WHOLE as ALL_USERS
from hubd.evidence.sealing import ExportSealing
from hublocal.calls import CallRefused
from hublocal.peer import PeerProcess
from hubterm.exits import CANNOT_PRINT, INTERRUPTED, UNREADABLE, USAGE
from hubterm.progress import Progress
from tests.fakes.audit import FakeAudit
from tests.fakes.clock import FakeClock
from tests.fakes.daemon import Daemon, documents

HUB = SigningKey(ec.derive_private_key(7, ec.SECP256R1()))
OTHER = SigningKey(ec.derive_private_key(8, ec.SECP256R1()))
ISSUER = SigningKey(ec.derive_private_key(9, ec.SECP256R1()))
NAME = HubName("site-1", "hub-1")
AT_MS = 1_800_000_000_000
CERTIFICATE = issue_hub_certificate(
    ISSUER,
    HubCertificate(NAME.site, NAME.hub, 1, 2, HUB.verify_key, (1,)),
    HUB.cose_key,
)
PERSON = "3fa9c2d18b7e40c2"
SECONDS = 60.0


def chained(count: int, before: Head | None = None) -> Iterator[StoredRecord]:
    at = before or Head()
    for n in range(count):
        body = Record(RecordKind.DOOR, AT_MS + n, n, {"door": "front", "n": n}).encode()
        hash_ = chain_hash(at.hash, at.number + 1, body)
        at = Head(at.number + 1, hash_)
        yield StoredRecord(at.number, body, hash_)


def end_of(ends: Ends, key: SigningKey = HUB) -> bytes:
    return ends.sign(NAME.hub, NAME.site, key) + CERTIFICATE


BEFORE = Head(41, b"\x29" * 32)
RECORDS = tuple(chained(6, BEFORE))
ENDS = Ends(BEFORE, Head(RECORDS[-1].number, RECORDS[-1].hash))
PARTS = (write_begin(BEFORE), *map(write_record, RECORDS), end_of(ENDS))
WHOLE = b"".join(PARTS)


def read(data: bytes, chunk: int = 1 << 16) -> Export:
    """Read an export to its end, prove it, and return it. Raise AuditError."""
    export = Export(data[at : at + chunk] for at in range(0, len(data), chunk))
    for _ in export.records():
        pass
    return export


def proven(data: bytes) -> int:
    """Check an export as `hubctl audit verify --export --issuer` does. Raise AuditError."""
    with Progress("x", as_json=True) as shown:
        checked = check(iter([data]), None, ISSUER.verify_key, shown)
    assert checked.certified is not None
    return checked.last.number - checked.before.number


@given(st.integers(1, 700))
def test_it_is_read_in_chunks_of_any_size(chunk: int) -> None:
    export = read(WHOLE, chunk)
    assert (export.ends, export.certificate) == (ENDS, CERTIFICATE)
    assert export.seal is not None
    prove(export.seal, export.ends, NAME.hub, NAME.site, HUB.verify_key)
    assert proven(WHOLE) == 6


def record_at(offset: int) -> int | None:
    """The number of the record that a byte is of; None for the beginning and the end."""
    at = len(PARTS[0])
    for record, part in zip(RECORDS, PARTS[1:-1], strict=True):
        if at <= offset < at + len(part):
            return record.number
        at += len(part)
    return None


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_any_flipped_byte_is_found_and_the_record_is_named(offset: int, flip: int) -> None:
    changed = bytearray(WHOLE)
    changed[offset] ^= flip
    with pytest.raises(AuditError) as caught:
        proven(bytes(changed))
    number = record_at(offset)
    if number is not None:
        assert f"record {number} " in str(caught.value)


def test_every_byte_counts() -> None:
    for offset in range(len(WHOLE)):
        changed = bytearray(WHOLE)
        changed[offset] ^= 1
        with pytest.raises(AuditError):
            proven(bytes(changed))


@given(st.data())
def test_a_dropped_swapped_or_doubled_record_is_found_and_named(data: st.DataObject) -> None:
    parts = list(PARTS)
    at = data.draw(st.integers(1, 6))
    match data.draw(st.sampled_from(["drop", "swap", "double"])):
        case "drop":
            del parts[at]
            wrong = at
        case "swap":
            other = data.draw(st.integers(1, 6).filter(lambda one: one != at))
            parts[at], parts[other] = parts[other], parts[at]
            wrong = min(at, other)
        case _:
            parts.insert(at, parts[at])
            wrong = at + 1
    with pytest.raises(AuditError, match=f"record {BEFORE.number + wrong} is missing"):
        proven(b"".join(parts))


@given(st.integers(0, len(WHOLE) - 1))
def test_any_cut_is_found(length: int) -> None:
    with pytest.raises(AuditError):
        proven(WHOLE[:length])


def test_an_end_that_was_moved_and_made_to_fit_is_found() -> None:
    later = Head(RECORDS[0].number, RECORDS[0].hash)
    without_first = b"".join((write_begin(later), *PARTS[2:]))
    with pytest.raises(AuditError, match=r"record 42 ought to be the first"):
        proven(without_first)
    without_last = b"".join((*PARTS[:-2], PARTS[-1]))
    with pytest.raises(AuditError, match=r"record 47 is missing"):
        proven(without_last)


def test_a_chain_that_was_hashed_again_is_found() -> None:
    again = list(chained(6, BEFORE))
    body = Record(RecordKind.DOOR, AT_MS, 1, {"door": "back"}).encode()
    again[5] = StoredRecord(47, body, chain_hash(again[4].hash, 47, body))
    data = b"".join((PARTS[0], *map(write_record, again), PARTS[-1]))
    with pytest.raises(AuditError, match="the hub signed"):
        proven(data)


@pytest.mark.parametrize(
    ("end", "says"),
    [
        (end_of(ENDS, OTHER), "the seal proves nothing"),
        (ENDS.sign("hub-2", NAME.site, HUB) + CERTIFICATE, "of another hub or site"),
        (
            ENDS.sign(NAME.hub, NAME.site, HUB)
            + issue_hub_certificate(
                OTHER,
                HubCertificate(NAME.site, NAME.hub, 1, 2, HUB.verify_key, (1,)),
                HUB.cose_key,
            ),
            "certificate in it proves nothing",
        ),
        (PARTS[-1] + b"\xf6", "neither record 48 nor the end"),
        (UNSIGNED + UNSIGNED, "neither record 48 nor the end"),
        (b"", "neither record 48 nor the end"),
    ],
)
def test_who_did_not_sign_proves_nothing(end: bytes, says: str) -> None:
    with pytest.raises(AuditError, match=says):
        proven(b"".join((*PARTS[:-1], end)))


@given(st.binary(max_size=300))
def test_what_is_no_export_is_told(data: bytes) -> None:
    with pytest.raises(AuditError):
        proven(data)


def test_a_file_of_any_length_is_read_in_the_same_room() -> None:
    def peak(count: int) -> int:
        def chunks() -> Iterator[bytes]:
            yield write_begin(Head())
            yield from map(write_record, chained(count))
            yield UNSIGNED

        tracemalloc.start()
        try:
            export = Export(chunks())
            assert sum(1 for _ in export.records()) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few = peak(500)
    assert peak(5000) < 2 * few


def test_the_longest_record_fits() -> None:
    text = "x" * (BODY_BYTES - 60)
    body = Record(RecordKind.DOOR, AT_MS, 1, {"door": text}).encode()
    record = StoredRecord(1, body, chain_hash(Head().hash, 1, body))
    data = write_begin(Head()) + write_record(record) + UNSIGNED
    assert read(data, 100).last == Head(1, record.hash)


# The command.


def written(path: Path, count: int = 30) -> None:
    async def write() -> None:
        async with await AuditStore.open(path) as store:
            for n in range(count):
                detail = {"allowed": True, "asker": PERSON, "point": 1}
                await store.append(Record(RecordKind.ACCESS, AT_MS + n * 1000, n, detail))

    asyncio.run(write())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    path = tmp_path / "state" / "audit.db"
    written(path)
    return path


def export(log: Path, *words: str) -> Result:
    command = ["audit", "export", "--file", str(log), "--socket", str(log.parent / "none")]
    return CliRunner().invoke(hubctl, [*command, *words])


def verify(path: Path, *words: str) -> Result:
    return CliRunner().invoke(hubctl, ["audit", "verify", "--export", str(path), *words])


def test_with_the_hub_down_it_is_unsigned_and_says_so(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.cbor"
    result = export(log, str(target), "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (told["records"], told["first"], told["signed"]) == (30, 1, False)
    assert "hubd does not answer" in told["why_unsigned"]
    assert target.stat().st_mode & 0o777 == 0o600
    result = export(log, str(target))
    assert "Not signed: hubd does not answer" in result.stdout
    result = verify(target)
    assert result.exit_code == 0
    assert "30 records, 1 to 30" in result.stdout
    assert "Nobody signed them" in result.stdout
    told = json.loads(verify(target, "--json").stdout)
    assert (told["holds"], told["signed"], told["signature_checked"]) == (True, False, False)


def test_it_lets_hubd_come_first(log: Path, tmp_path: Path, nicer: list[int]) -> None:
    export(log, str(tmp_path / "all.cbor"))
    assert nicer == [10]


def test_records_of_a_time_without_a_gap(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "some.cbor"
    words = ("--since", "2027-01-15T08:00:10Z", "--until", "2027-01-15T08:00:20Z")
    assert export(log, str(target), *words).exit_code == 0
    told = json.loads(verify(target, "--json").stdout)
    assert (told["records"], told["first_number"]) == (10, 11)
    assert (told["first"], told["last"]) == (
        "2027-01-15T08:00:10.000Z",
        "2027-01-15T08:00:19.000Z",
    )
    result = export(log, str(tmp_path / "none.cbor"), "--since", "2030-01-01T00:00:00Z", "--json")
    assert (result.exit_code, result.stdout) == (UNREADABLE, "")
    assert json.loads(result.stderr)["error"]["code"] == "no-record"
    assert not (tmp_path / "none.cbor").exists()


def test_the_records_are_those_of_the_log_to_the_byte(log: Path, tmp_path: Path) -> None:
    export(log, str(tmp_path / "all.cbor"))
    found = list(Export([(tmp_path / "all.cbor").read_bytes()]).records())
    with contextlib.closing(sqlite3.connect(log)) as connection:
        rows = connection.execute("SELECT number, body, hash FROM records").fetchall()
    assert [(one.number, one.body, one.hash) for one in found] == rows
    assert facts(found[0].body)["asker"] == PERSON


def test_broken_evidence_makes_no_file(log: Path, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(log)) as connection:
        connection.execute("UPDATE records SET body = x'a0' WHERE number = 20")
        connection.commit()
    result = export(log, str(tmp_path / "all.cbor"), "--json")
    assert result.exit_code == 1
    assert "record 20 was edited" in json.loads(result.stdout)["why"]
    assert [one.name for one in tmp_path.iterdir()] == ["state"]


def test_a_file_that_cannot_be_written_is_told(log: Path, tmp_path: Path) -> None:
    result = export(log, str(tmp_path / "none" / "all.cbor"), "--json")
    assert (result.exit_code, result.stdout) == (CANNOT_PRINT, "")
    assert export(log, "/dev/full").exit_code == CANNOT_PRINT


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
def test_the_evidence_is_not_replaced_by_its_export(log: Path, end: str) -> None:
    before = log.read_bytes()
    (log.parent.parent / "link").symlink_to(log.parent)
    for folder in (log.parent, log.parent.parent / "link"):
        assert export(log, str(folder / f"{log.name}{end}")).exit_code == USAGE
    assert log.read_bytes() == before


@pytest.mark.parametrize("seal", ["00", "", "zz", "d2" + "00" * 20_000])
def test_what_is_no_seal_is_not_called_one(log: Path, tmp_path: Path, seal: str) -> None:
    """Another program on the socket answers; the file must be readable all the same."""
    target = tmp_path / "all.cbor"
    answer = {"seal-export": {"seal": seal, "certificate": CERTIFICATE.hex()}}
    with Daemon(tmp_path / "s", documents(answer)):
        words = [
            "audit",
            "export",
            str(target),
            "--file",
            str(log),
            "--socket",
            str(tmp_path / "s"),
        ]
        result = CliRunner().invoke(hubctl, [*words, "--json"])
    told = json.loads(result.stdout)
    assert (told["signed"], told["records"]) == (False, 30)
    assert "does not understand" in told["why_unsigned"]
    assert verify(target).exit_code == 0


def test_tampering_is_found_by_the_command(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.cbor"
    export(log, str(target))
    data = bytearray(target.read_bytes())
    data[len(data) // 2] ^= 1
    target.write_bytes(data)
    result = verify(target)
    assert result.exit_code == 1
    assert "BROKEN: record " in result.stderr
    assert "The records follow" not in result.stdout
    told = json.loads(verify(target, "--json").stdout)
    assert (told["holds"], set(told)) == (False, {"schema", "file", "holds", "why"})


def test_a_head_that_was_noted_is_compared(log: Path, tmp_path: Path) -> None:
    target = tmp_path / "all.cbor"
    head = json.loads(export(log, str(target), "--json").stdout)["head"]
    assert verify(target, "--head", head).exit_code == 0
    number, _, hash_ = head.partition(":")
    other = hashlib.sha256(hash_.encode()).hexdigest()
    assert "was rewritten" in verify(target, "--head", f"{number}:{other}").stderr
    assert "is not in it" in verify(target, "--head", f"31:{hash_}").stderr


def test_what_does_not_go_with_an_export_is_refused(log: Path, tmp_path: Path) -> None:
    export(log, str(tmp_path / "all.cbor"))
    issuer = tmp_path / "issuer"
    issuer.write_bytes(b"no key")
    certificate = ("--certificate", str(issuer), "--issuer", str(issuer))
    assert verify(tmp_path / "all.cbor", *certificate).exit_code == USAGE
    assert verify(tmp_path / "all.cbor", "--issuer", str(issuer)).exit_code == UNREADABLE
    assert verify(tmp_path / "none.cbor").exit_code == UNREADABLE


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, INTERRUPTED),
        (signal.SIGTERM, -signal.SIGTERM),
        (signal.SIGHUP, -signal.SIGHUP),
    ],
)
def test_what_ends_it_leaves_no_part_of_a_file(tmp_path: Path, number: int, status: int) -> None:
    """It is interrupted while it waits for the hub: all records are written by then.

    A connection that drops sends SIGHUP.
    """
    path = tmp_path / "audit.db"
    written(path, 3)
    target = tmp_path / "out"
    target.mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        listening.listen()
        words = ["audit", "export", "--file", str(path), "--socket", str(tmp_path / "s")]
        process = subprocess.Popen(
            [sys.executable, "-m", "hubctl.main", *words, str(target / "all.cbor")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ},
        )
        listening.settimeout(SECONDS)
        hub, _ = listening.accept()
        with hub:
            hub.settimeout(SECONDS)
            assert b"seal-export" in hub.recv(4096)
            assert [one.name for one in target.iterdir()] != []
            process.send_signal(number)
            out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (status, b"", b"")
    assert list(target.iterdir()) == []


# The hub's part.


def sealing(log: FakeAudit) -> tuple[ExportSealing, list[object]]:
    told: list[object] = []
    use = ExportSealing(
        log=log,
        name=NAME,
        key=HUB,
        certificate=lambda: CERTIFICATE,
        clock=FakeClock(),
        tell=lambda event, detail: told.append((event, dict(detail))),
    )
    return use, told


async def filled(count: int) -> FakeAudit:
    log = FakeAudit()
    for n in range(count):
        await log.append(Record(RecordKind.DOOR, AT_MS, n, {"door": "front"}))
    return log


def head_of(log: FakeAudit, number: int) -> Head:
    return Head() if not number else Head(number, log.stored[number - 1].hash)


@pytest.mark.asyncio
async def test_the_hub_signs_what_its_chain_holds_and_records_who_took_it() -> None:
    log = await filled(5)
    use, told = sealing(log)
    ends = Ends(head_of(log, 1), head_of(log, 4))
    sealed = await use.seal(ends, "technician", 1000)
    assert sealed is not None
    prove(sealed[0], ends, NAME.hub, NAME.site, HUB.verify_key)
    assert sealed[1] == CERTIFICATE
    newest = facts(log.stored[-1].body)
    assert len(log.stored) == 6
    assert (newest["kind"], newest["what"], newest["uid"]) == ("act", "export", 1000)
    assert (newest["count"], newest["known"]) == (3, 4)
    assert len(told) == 1


@pytest.mark.asyncio
async def test_the_hub_signs_nothing_else() -> None:
    log = await filled(5)
    use, told = sealing(log)
    right = Ends(head_of(log, 1), head_of(log, 4))
    for before, last in (
        (Head(1, bytes(32)), right.last),
        (right.before, Head(4, bytes(32))),
        (right.before, Head(9, bytes(32))),
        (right.last, right.before),
        (right.last, right.last),
        (Head(0, b"\x01" * 32), right.last),
    ):
        assert await use.seal(Ends(before, last), "technician", 0) is None
    log.went = 2
    assert await use.seal(right, "technician", 0) is None
    assert (len(log.stored), told) == (5, [])


@pytest.mark.asyncio
async def test_without_its_record_nothing_is_signed() -> None:
    log = await filled(3)
    use, told = sealing(log)
    ends = Ends(Head(), head_of(log, 3))
    log.failing = AuditError("disk")
    with pytest.raises(AuditError):
        await use.seal(ends, "technician", 0)
    assert told == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"first": 0, "before": "00" * 32, "last": 1, "hash": "00" * 32},
        {"first": 2, "before": "00" * 32, "last": 1, "hash": "00" * 32},
        {"first": 1, "before": "zz" * 32, "last": 1, "hash": "00" * 32},
        {"first": 1, "before": "00" * 31, "last": 1, "hash": "00" * 32},
        {"first": "1", "before": "00" * 32, "last": 1, "hash": "00" * 32},
        {"first": 1, "before": "00" * 32, "last": 1 << 63, "hash": "00" * 32},
        {"first": 1, "before": None, "last": 1, "hash": []},
        {"first": True, "before": "00" * 32, "last": 1, "hash": "00" * 32},
        {"first": 1.0, "before": "00" * 32, "last": 1, "hash": "00" * 32},
    ],
)
async def test_a_call_that_names_no_export_is_refused(arguments: dict[str, object]) -> None:
    log = await filled(2)
    (call,) = EvidenceCalls(sealing(log)[0], FakeClock()).table()
    with pytest.raises(CallRefused):
        await call.handler(arguments, None)  # type: ignore[arg-type]
    assert len(log.stored) == 2


@pytest.mark.asyncio
async def test_records_of_exports_do_not_come_at_the_pace_of_who_asks() -> None:
    log = await filled(5)
    clock = FakeClock()
    (call,) = EvidenceCalls(sealing(log)[0], clock).table()
    arguments = {
        "first": 1,
        "before": Head().hash.hex(),
        "last": 5,
        "hash": head_of(log, 5).hash.hex(),
    }

    async def signed(uid: int) -> int:
        before = len(log.stored)
        for _ in range(EACH.burst * 3):
            with contextlib.suppress(CallRefused):
                await call.handler(arguments, PeerProcess(pid=1, uid=uid, gid=uid))
        return len(log.stored) - before

    assert await signed(1000) == EACH.burst
    assert sum([await signed(uid) for uid in range(1001, 1010)]) == ALL_USERS.burst - EACH.burst
    clock.advance(1 / EACH.per_second)
    assert await signed(1000) == 1


class _Going(FakeAudit):
    """Records go while they are looked up; it believes what is said of those that have gone."""

    def holds(self, head: Head) -> bool:
        self.went = head.number
        return True


@pytest.mark.asyncio
async def test_records_that_go_while_they_are_looked_up_are_not_signed() -> None:
    log = _Going()
    for n in range(5):
        await log.append(Record(RecordKind.DOOR, AT_MS, n, {"door": "front"}))
    use, _told = sealing(log)
    forged = Ends(Head(1, bytes(32)), Head(4, bytes(32)))
    assert await use.seal(forged, "technician", 1000) is None


def test_a_standard_reader_reads_it() -> None:
    """It is a CBOR sequence: each item is read by itself."""
    stream = io.BytesIO(WHOLE)
    items = []
    while stream.tell() < len(WHOLE):
        items.append(cbor2.CBORDecoder(stream).decode())
    assert items[0] == ["hub/export/1", 42, BEFORE.hash]
    assert [item[0] for item in items[1:-2]] == [42, 43, 44, 45, 46, 47]
    assert [item.tag for item in items[-2:]] == [18, 18]
    assert cbor.decode(items[1][1], booleans=True)["kind"] == "door"
