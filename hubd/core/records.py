"""Evidence: what a record says, its one encoding, and the chain of hashes that shows an edit, a removal or a swap.

Laws: a record's bytes never change after they are durable; record n's hash covers n, the hash of n-1 and its own bytes;
a record names people by opaque ids only. The number and the hash are the writer's, the rest is the decider's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hubd.core import cbor
from hubd.errors import AuditError, FrameError

GENESIS = bytes(32)
"""The hash before record 1."""

Value = int | str | bytes | bool | None


class Kind(StrEnum):
    """What happened."""

    STARTED = "started"
    STOPPED = "stopped"
    ACCESS = "access"
    REMOTE = "remote"
    REFUSED = "refused"
    DOOR = "door"
    POLICY = "policy"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Record:
    """One piece of evidence. `at_ms` is Unix time and `mono_ms` CLOCK_MONOTONIC, both in milliseconds.

    `detail` holds the facts of the kind under short text keys; its keys must not be `kind`, `at` or `mono`.
    """

    kind: Kind
    at_ms: int
    mono_ms: int
    detail: Mapping[str, Value] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the record's bytes: one deterministic CBOR map."""
        return cbor.encode({**self.detail, "kind": str(self.kind), "at": self.at_ms, "mono": self.mono_ms})

    @classmethod
    def decode(cls, body: bytes) -> Record:
        """Read a record's bytes. Raise AuditError when they are none."""
        try:
            detail = cbor.decode(body, max_depth=1)
            kind, at_ms, mono_ms = Kind(detail.pop("kind")), detail.pop("at"), detail.pop("mono")
        except (FrameError, AttributeError, KeyError, ValueError) as error:
            raise AuditError(f"a record's bytes are no record: {error}") from error
        if not (isinstance(at_ms, int) and isinstance(mono_ms, int)):
            raise AuditError("a record's times are no integers")
        return cls(kind, at_ms, mono_ms, detail)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A durable record: its number, its bytes and the chain's hash up to and with it."""

    number: int
    body: bytes
    hash: bytes


def link(previous: bytes, number: int, body: bytes) -> bytes:
    """Return the hash of record `number`: SHA-256 over the deterministic CBOR of [label, number, previous, body]."""
    return hashlib.sha256(cbor.encode(["hub/record/1", number, previous, body])).digest()


def follows(previous: StoredRecord | None, record: StoredRecord) -> None:
    """Raise AuditError, naming the number, unless `record` is the true successor of `previous` (None: the first)."""
    number, before = (previous.number + 1, previous.hash) if previous else (1, GENESIS)
    if record.number != number:
        raise AuditError(f"record {number} is missing: {record.number} comes in its place")
    if link(before, number, record.body) != record.hash:
        raise AuditError(f"record {number} was edited, or a record before it was replaced: its hash does not follow")
