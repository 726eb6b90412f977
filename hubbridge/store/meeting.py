"""A hub comes: it names a record of its own, and what is held and was seen answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hubbridge.rules.kept import Kept, resume
from hubbridge.store import heads
from hubbridge.store.asking import asked, check_number, lookup, row_of, seen_hash
from hubbridge.store.jobs import Batch
from hubbridge.store.rows import HubRow
from hubcore.bridge import witness
from hubcore.bridge.witness import Doubt, SeenChain
from hubcore.evidence.records import Head


@dataclass(frozen=True, slots=True)
class Resumed:
    """Whether a hub may send what follows the head that it named; `why` not, as text."""

    why: str = ""
    full: bool = False
    """There is no place for one more hub."""


@dataclass(frozen=True, slots=True)
class Resume:
    """A hub names the record before its next one."""

    hub: str
    before: Head

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        check_number(self.before.number)

    def run(self, batch: Batch) -> Resumed:
        """Open a span, unless the record lies in one."""
        row = row_of(batch, self.hub)
        if row is None:
            return Resumed("the bridge has as many hubs as it takes", full=True)
        row, found = asked(
            batch,
            row,
            ask=lambda one: resume(one.kept, self.before, lookup(batch, one)),
            is_fork=lambda answer: isinstance(answer, str),
        )
        if isinstance(found, Kept):
            row = replace(row, kept=found)
        batch.put(self.hub, row)
        return Resumed(found if isinstance(found, str) else "")


@dataclass(frozen=True, slots=True)
class Met:
    """What a hub's Hello comes to.

    `wanted` is the record after which its records are wanted, `seen` the newest that was seen.
    """

    wanted: Head = field(default_factory=Head)
    seen: Head = field(default_factory=Head)
    doubt: Doubt | None = None
    full: bool = False
    """There is no place for one more hub."""
    signed: int = 0
    """The newest record up to `wanted` that needs no head of this hub."""


@dataclass(frozen=True, slots=True)
class Meet:
    """A hub says Hello on its connection of number `turn`, and tells its two heads.

    `key` is the SHA-256 of its key: by that it signs its heads.
    """

    hub: str
    turn: int
    durable: Head
    newest: Head
    key: bytes

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        check_number(self.durable.number)
        check_number(self.newest.number)

    def run(self, batch: Batch) -> Met:
        """Hold it against what was seen; an empty bridge begins where the hub says."""
        row = row_of(batch, self.hub)
        if row is None:
            return Met(full=True)
        was_doubted = row.seen is not None and row.seen.doubt is not None
        row, seen = asked(
            batch,
            row,
            ask=lambda one: self._meet(batch, one),
            is_fork=lambda answer: answer.doubt is not None and not was_doubted,
        )
        row = replace(row, seen=seen)
        if seen.doubt is None and not row.kept.spans:
            opened = resume(row.kept, seen.head, lookup(batch, row))
            row = replace(row, kept=opened) if isinstance(opened, Kept) else row
        if seen.doubt is None and row.signed and row.key != self.key:
            heads.drop_all(batch.connection, row.id)
            row = replace(row, signed=0, key=b"")
        batch.put(self.hub, row)
        wanted = row.kept.wanted
        signed = min(row.covered, wanted.number)
        return Met(wanted, seen.head, seen.doubt, signed=signed)

    def _meet(self, batch: Batch, row: HubRow) -> SeenChain:
        seen = row.seen or witness.begin(self.turn, self.durable)
        return seen.meet(self.turn, self.durable, self.newest, seen_hash(batch, row))
