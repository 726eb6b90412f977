"""A head that a hub has signed of its own records, proven by the key of its connection."""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.evidence.records import Head


@dataclass(frozen=True, slots=True)
class ProvenHead:
    """`key` is the SHA-256 of the key that has proven the document."""

    head: Head
    key: bytes
    document: bytes
