"""Judges a message of the engine against what is known of its hub's chain.

Laws:
1. Nothing of a message is believed before its records follow one another and the chain's head. Only
   then are a record's bytes read.
2. A message that does not follow changes nothing. The next one that does follow goes on.
3. A record that is held already is the same, or the message is a fork. One from before the base was
   let go here, and is not compared.
4. A chain begins with record 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from hubcore.backend.uplink.evidence import MESSAGE_BYTES
from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Head, StoredRecord, follows
from hubgateway.rules.chain import BATCH_RECORDS_MAX, read_batch

BATCH_BYTES_MAX = BATCH_RECORDS_MAX * (MESSAGE_BYTES + 8) + 8
HashOf = Callable[[int], bytes | None]
"""Returns the chain's hash with a record that is held, None where it is not."""


def read_message(data: bytes) -> list[StoredRecord]:
    """Read a message of the engine. Raise AuditError for one that no gateway has written."""
    if len(data) > BATCH_BYTES_MAX:
        raise AuditError(f"a message has {len(data)} bytes, and no gateway writes so many")
    try:
        return read_batch(data)
    except StoreError as error:
        raise AuditError(str(error)) from error


def new_in(
    base: Head, head: Head, records: Sequence[StoredRecord], hash_of: HashOf
) -> list[StoredRecord]:
    """Return those that follow the head. Raise AuditError for a fork or a gap (laws 2 to 4)."""
    new = []
    for record in records:
        if record.number <= base.number:
            continue
        if record.number <= head.number:
            held = head.hash if record.number == head.number else hash_of(record.number)
            if held != record.hash:
                raise AuditError(f"record {record.number} is held here with other bytes: a fork")
            continue
        follows(head, record)
        head = Head(record.number, record.hash)
        new.append(record)
    return new
