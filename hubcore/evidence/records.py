"""Evidence: what a record says, its one encoding, and the chain of hashes that shows a change.

Laws:
1. A record's bytes never change once they are durable.
2. Record n's hash covers n, the hash of n-1 and its own bytes. So an edit, a removal or a swap
   shows.
3. A record names people by opaque ids only.
4. The writer of the log gives the number and the hash. The use case gives the rest.
5. A chain alone shows no cut tail, and no chain rewritten from some record on. For that, it is
   compared with a head that somebody else kept: the backend's receipt, a technician's note.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hubcore.codec import cbor
from hubcore.errors import AuditError, FrameError
from hubcore.evidence.facts import Detail, RecordKind, Value, named

__all__ = [
    "BODY_BYTES",
    "GENESIS",
    "Head",
    "Record",
    "RecordKind",
    "StoredRecord",
    "Value",
    "Walk",
    "agrees",
    "chain_hash",
    "facts",
    "follows",
    "head_after",
]

GENESIS = bytes(32)
"""The hash before record 1."""

READ_KEPT_MAX = 12_000
"""Some 10 MB; a start looks at 10,000 records."""
BODY_BYTES = 4096
"""Ceiling of one record's encoding."""

BODY_ITEMS = 256
"""Heads in one record: its map, and some 120 facts with their names. The longest of hubd has 12."""

_INT64 = range(-(1 << 63), 1 << 63)
_ALWAYS_FIT = frozenset({str, bytes, bool, type(None)})
_RESERVED = frozenset({"kind", "at", "mono"})


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of evidence; `at_ms` is Unix time, `mono_ms` CLOCK_MONOTONIC, in milliseconds.

    `detail` holds the facts of the kind under short text keys (`facts.RECORD_FACTS`; a record of
    another version may hold others). No key is `kind`, `at` or `mono`. Integers fit in 64 bits with
    sign.
    """

    kind: RecordKind
    at_ms: int
    mono_ms: int
    detail: Mapping[str, Value] = field(default_factory=dict)

    @classmethod
    def at(
        cls,
        kind: RecordKind,
        wall: float,
        monotonic: float,
        detail: Detail,
    ) -> Record:
        """Return a record of a moment: `wall` in Unix seconds, `monotonic` by CLOCK_MONOTONIC."""
        at_ms = int(wall * 1000)
        mono_ms = int(monotonic * 1000)
        return cls(kind, at_ms, mono_ms, named(detail))

    def encode(self) -> bytes:
        """Return the record's bytes: one deterministic CBOR map.

        Raise AuditError for what could not be read again.
        """
        self._check()
        said = {
            **self.detail,
            "kind": str(self.kind),
            "at": self.at_ms,
            "mono": self.mono_ms,
        }
        try:
            body = cbor.encode_flat(cbor.in_order(said))
        except UnicodeEncodeError as error:
            raise AuditError(
                f"a {self.kind} record holds text that is no Unicode: {error}"
            ) from error
        if len(body) > BODY_BYTES:
            raise AuditError(
                f"a {self.kind} record of {len(body)} bytes is above the ceiling of {BODY_BYTES}"
            )
        return body

    def _check(self) -> None:
        """Raise AuditError for a fact or a time that no record can hold."""
        for key, value in self.detail.items():
            if not isinstance(key, str) or key in _RESERVED:
                raise AuditError(f"a {self.kind} record cannot hold a fact named {key!r}")
            if not _is_value(value):
                raise AuditError(
                    f"a {self.kind} record cannot hold {key}: "
                    f"{type(value).__name__} out of kind or range"
                )
        if not (_is_time(self.at_ms) and _is_time(self.mono_ms)):
            raise AuditError(f"a {self.kind} record's times are no integers of 64 bits")

    @classmethod
    def decode(cls, body: bytes) -> Record:
        """Read a record's bytes.

        Raise AuditError for other bytes, or a kind that this version does not know.
        """
        detail = facts(body)
        try:
            kind = RecordKind(detail.pop("kind"))
        except ValueError as error:
            raise AuditError(f"a record's kind is not known to this version: {error}") from error
        return cls(kind, detail.pop("at"), detail.pop("mono"), detail)


def _is_value(value: object) -> bool:
    if type(value) in _ALWAYS_FIT:
        return True
    if isinstance(value, int):
        return value in _INT64
    return isinstance(value, str | bytes)


def _is_time(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _INT64


class _Kept:
    """What was read of records, by their bytes; None while nothing is kept."""

    read: dict[bytes, dict[str, Any]] | None = None


def keep_what_is_read(keeps: bool) -> None:
    """Keep what is read of records from now on, or forget it, and keep no more.

    A hub that starts reads its newest records several times over. One that takes over reads them
    before that, and while phones wait only those that came since. At most READ_KEPT_MAX are kept.
    """
    if not keeps:
        _Kept.read = None
    elif _Kept.read is None:
        _Kept.read = {}


def facts(body: bytes) -> dict[str, Any]:
    """Return all that a record's bytes say, with its `kind`, `at` and `mono`.

    The kind is text: it may be one of a newer version. Raise AuditError when the bytes are no
    record.
    """
    kept = _Kept.read
    if kept is None:
        return _facts(body)
    said = kept.get(body)
    if said is None:
        said = _facts(body)
        if len(kept) < READ_KEPT_MAX:
            kept[body] = said
    return dict(said)


def _facts(body: bytes) -> dict[str, Any]:
    try:
        said = cbor.decode(body, max_depth=1, booleans=True, max_items=BODY_ITEMS)
    except (FrameError, TypeError) as error:
        raise AuditError(f"a record's bytes are no record: {error}") from error
    if not isinstance(said, dict) or not all(isinstance(key, str) for key in said):
        raise AuditError("a record's bytes are no record: no map of named facts")
    if not isinstance(said.get("kind"), str):
        raise AuditError("a record's bytes are no record: it has no kind")
    if not (_is_time(said.get("at")) and _is_time(said.get("mono"))):
        raise AuditError("a record's times are no integers")
    return said


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A durable record: its number, its bytes and the chain's hash up to and with it."""

    number: int
    body: bytes
    hash: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """A point of a chain that somebody keeps: a record's number and the chain's hash with it."""

    number: int = 0
    hash: bytes = GENESIS

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read `NUMBER:HEXHASH`, the hash in 64 hexadecimal digits.

        Raise ValueError for anything else.
        """
        if not re.fullmatch(r"[1-9][0-9]{0,17}:[0-9a-fA-F]{64}", text, re.ASCII):
            raise ValueError(
                "a head is NUMBER:HASH, a record's number from 1 on and 64 hexadecimal digits"
            )
        number, _, digits = text.partition(":")
        return cls(int(number), bytes.fromhex(digits))


def chain_hash(previous: bytes, number: int, body: bytes) -> bytes:
    """Return the hash of record `number`: SHA-256 over CBOR's [label, number, previous, body]."""
    count = cbor.write_head(cbor.UINT, number)
    before = _HASH_HEAD if len(previous) == 32 else cbor.write_head(cbor.BYTES, len(previous))
    size = cbor.write_head(cbor.BYTES, len(body))
    return sha256(b"".join((_COVERED, count, before, previous, size, body))).digest()


_HASH_HEAD = cbor.write_head(cbor.BYTES, len(GENESIS))
_COVERED = b"\x84" + cbor.encode("hub/record/1")
"""The beginning of what a hash covers: an array of four, and its label."""


def follows(previous: StoredRecord | Head | None, record: StoredRecord) -> None:
    """Raise AuditError, with the number, unless `record` follows `previous` (None: is first)."""
    before = Head() if previous is None else previous
    number = before.number + 1
    if record.number != number:
        raise AuditError(f"record {number} is missing: {record.number} comes in its place")
    if chain_hash(before.hash, number, record.body) != record.hash:
        raise AuditError(
            f"record {number} was edited, or a record before it was replaced: "
            "its hash does not follow"
        )


def head_after(before: Head, records: Iterable[StoredRecord]) -> Head | None:
    """Return the head of the last of records that follow one another; None where one does not."""
    number = before.number
    digest = before.hash
    for record in records:
        number += 1
        if record.number != number:
            return None
        digest = chain_hash(digest, number, record.body)
        if digest != record.hash:
            return None
    return Head(number, digest)


def agrees(known: Head, record: StoredRecord | None) -> None:
    """Raise AuditError unless `record`, found under the known number, is the known one.

    None: there is no record of that number.
    """
    if record is None:
        raise AuditError(
            f"record {known.number} is missing: "
            "it was known once, so the end of the chain was cut off"
        )
    if record.hash != known.hash:
        raise AuditError(
            f"record {known.number} is not the one that was known: the chain up to it was rewritten"
        )


class Walk:
    """Checks a chain record by record, in constant memory; a refusal names the first wrong record.

    `take` each record in order, then `finish`. `known` are heads that somebody kept. `start` is the
    trusted point before the first record taken.
    """

    def __init__(self, known: Iterable[Head] = (), start: Head | None = None) -> None:
        self._at = start or Head()
        ahead = [head for head in known if head.number > self._at.number]
        self._known = sorted(ahead, key=lambda head: head.number, reverse=True)
        """The known heads that are still to come, the next one last."""

    def take(self, record: StoredRecord, at_ms: int) -> None:
        """Check the next record, and the Unix time in milliseconds under which it is filed.

        Raise AuditError for what is wrong with it.
        """
        follows(self._at, record)
        while self._known and self._known[-1].number == record.number:
            agrees(self._known.pop(), record)
        try:
            said_ms = facts(record.body)["at"]
        except AuditError as error:
            raise AuditError(f"record {record.number}: {error}") from error
        if said_ms != at_ms:
            raise AuditError(
                f"record {record.number} is filed under the time {at_ms} ms but says {said_ms} ms"
            )
        self._at = Head(record.number, record.hash)

    def finish(self) -> Head:
        """Return the chain's head. Raise AuditError when a known record never came."""
        if self._known:
            raise AuditError(
                f"record {self._at.number + 1} is missing: the end of the chain was cut off, "
                f"for record {self._known[0].number} was known once"
            )
        return self._at
