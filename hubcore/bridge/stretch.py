"""A stretch: how many records one head of their hub speaks for where they go on together.

Who takes records by the hub's own head must have all of them at once: the hash in the head is that
of the last one, and leads to it from the first. So a hub signs often enough that what lies between
two of its heads goes to the backend in one message.

Laws:
1. A stretch has at most STRETCH_RECORDS records, and STRETCH_BYTES with all that carries them.
2. Hub, bridge and backend count alike, by the lengths of the bodies alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hubcore.evidence.records import StoredRecord

STRETCH_RECORDS = 64
"""As many as the backend writes at once."""
STRETCH_BYTES = 1 << 16
"""On a slow line no hub waits for long for its turn."""
CARRYING_BYTES = 64
"""What an Evidence has beside its body, at most."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records that follow one another, and the head of the last one, as their hub has signed it."""

    records: tuple[StoredRecord, ...]
    document: bytes


def fits(records: int, body_bytes: int) -> bool:
    """Tell whether so many records, with bodies of so many bytes together, are one stretch."""
    size_bytes = body_bytes + CARRYING_BYTES * records
    return records <= STRETCH_RECORDS and size_bytes <= STRETCH_BYTES


def reach(lengths: Iterable[int]) -> int:
    """Return how many of these records, the first ones, are one stretch; lengths of bodies."""
    count = 0
    body_bytes = 0
    for length in lengths:
        body_bytes += length
        if not fits(count + 1, body_bytes):
            break
        count += 1
    return count
