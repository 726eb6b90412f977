"""A hub's chain as the engine holds it, and what may be added to it.

Laws:
1. Only the true successor of the newest record is new.
2. Another record under a number that is held is a fork. So is a successor whose hash does not
   follow.
3. The hub's number and chain hash are a record's identity, never a number of the engine.
4. A record that is older than what `Known` holds was not compared, so it is not acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from hubcore.backend.uplink.evidence import message_of, record_of
from hubcore.backend.uplink.from_hub import Hello
from hubcore.backend.uplink.words import Cause
from hubcore.codec import cbor
from hubcore.errors import AuditError, FrameError, StoreError
from hubcore.evidence.records import Head, StoredRecord, follows, head_after

BATCH_RECORDS_MAX = 64
"""Records in one message of the engine: a hub has no more unanswered."""

_BOOT_DIGITS = 8
"""Of a boot id, for a person to read."""


@dataclass(slots=True)
class Known:
    """The newest record held, where it lies, and the hashes of the newest ones by number."""

    head: Head = field(default_factory=Head)
    place: int = 0
    hashes: dict[int, bytes] = field(default_factory=dict)

    def holds(self, head: Head) -> bool | None:
        """Tell whether this record is held; None when it is older than what is known here."""
        if head == Head():
            return True
        held = self.hashes.get(head.number)
        if held is None:
            return None if head.number <= self.head.number else False
        return held == head.hash


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a hub is stopped."""

    cause: Cause
    detail: str


@dataclass(slots=True)
class Judged:
    """What is to become of some records."""

    new: list[StoredRecord] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    early: list[StoredRecord] = field(default_factory=list)
    older: list[int] = field(default_factory=list)
    fork: str = ""


def judge(known: Known, records: Sequence[StoredRecord]) -> Judged:
    """Sort records into new, repeated, early and a fork; nothing after a fork is looked at."""
    if head_after(known.head, records) is not None:  # as nearly always
        return Judged(new=list(records))
    judged = Judged()
    head = known.head
    fresh: dict[int, bytes] = {}
    for record in records:
        if record.number > head.number + 1:
            judged.early.append(record)
            continue
        if record.number == head.number + 1:
            try:
                follows(head, record)
            except AuditError as error:
                judged.fork = str(error)
                break
            judged.new.append(record)
            fresh[record.number] = record.hash
            head = Head(record.number, record.hash)
            continue
        if record.number in fresh:
            if fresh[record.number] != record.hash:
                judged.fork = f"record {record.number} comes with other bytes"
                break
            continue
        held = known.holds(Head(record.number, record.hash))
        if held is None:
            judged.older.append(record.number)
        elif held and follows_itself(known, record):
            judged.repeated.append(record.number)
        else:
            judged.fork = f"record {record.number} is held here with other bytes"
            break
    return judged


def follows_itself(known: Known, record: StoredRecord) -> bool:
    """Tell whether a record's bytes are those of its hash, as far as its predecessor is known."""
    before = known.hashes.get(record.number - 1)
    if record.number > 1 and before is None:
        return True
    try:
        follows(Head(record.number - 1, before) if before else None, record)
    except AuditError:
        return False
    return True


def compare(known: Known, hello: Hello) -> Stop | None:
    """Hold what a Hello tells against what is held; None when the hub may go on."""
    told = Head(hello.last_record, hello.head_hash)
    newest = known.head
    if told.number > newest.number or told == newest:
        return None
    if known.holds(told) is False:
        why = f"record {told.number} is held here with other bytes"
        return Stop(Cause.FORK, f"{why}; its evidence is no longer one story")
    return Stop(
        Cause.TAIL_CUT,
        f"its newest record is {told.number}, but {newest.number} are held here: its newest were "
        "deleted, or an older copy of its disk was put back",
    )


def added(known: Known, records: list[StoredRecord], place: int) -> Known:
    """Return what is held once these follow."""
    newest = records[-1]
    hashes = dict(known.hashes)
    hashes.update({one.number: one.hash for one in records})
    while len(hashes) > 4 * BATCH_RECORDS_MAX:
        del hashes[next(iter(hashes))]  # numbers come in rising order
    return Known(Head(newest.number, newest.hash), place, hashes)


def write_batch(records: list[StoredRecord]) -> bytes:
    """Return the engine's message: an array of Evidence messages, each as the hub sent it."""
    frames = [message_of(one.number, one.body, one.hash) for one in records]
    return cbor.encode_flat(frames)


def read_batch(data: bytes) -> list[StoredRecord]:
    """Read the engine's message. Raise StoreError for what no gateway has written."""
    try:
        frames = cbor.decode(data, max_depth=1, max_items=1 + BATCH_RECORDS_MAX)
        records = [_record(frame) for frame in frames]
    except (FrameError, TypeError) as error:
        raise StoreError(f"a message of records cannot be read: {error}") from error
    if not records:
        raise StoreError("a message of records has none")
    for before, after in pairwise(records):
        try:
            follows(before, after)
        except AuditError as error:
            raise StoreError(f"a message of records does not hold together: {error}") from error
    return records


def _record(frame: object) -> StoredRecord:
    if type(frame) is not bytes:
        raise FrameError("a record is no byte string")
    return record_of(frame)


def two_machines(boots: tuple[bytes, ...]) -> Stop:
    """Return the stop of a hub as which two machines speak, with these boot ids."""
    began = " and ".join(boot.hex()[:_BOOT_DIGITS] for boot in boots)
    return Stop(Cause.TWO_HUBS, f"two machines speak as this hub, of the boots {began}")


def write_stop(stop: Stop) -> bytes:
    """Return a stop as it lies in the engine."""
    return f"{stop.cause.name} {stop.detail}".encode()


def read_stop(value: bytes) -> Stop:
    """Read a stop as it lies in the engine; what cannot be read stops a hub as a fork."""
    cause, _, detail = value.decode("utf-8", "replace").partition(" ")
    if cause in Cause.__members__:
        return Stop(Cause[cause], detail)
    return Stop(Cause.FORK, "it is stopped in the engine, and the cause cannot be read")
