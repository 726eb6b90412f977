"""What is held of a hub, read and proven: for the backend, and at a start."""

from __future__ import annotations

from dataclasses import dataclass, field

from hubbridge.store import heads, rows
from hubbridge.store.asking import check_number
from hubbridge.store.jobs import Batch
from hubcore.bridge.stretch import STRETCH_RECORDS, Stretch
from hubcore.evidence.records import Head, StoredRecord


@dataclass(frozen=True, slots=True)
class Read:
    """Records of a hub after a number, each proven: for the backend."""

    hub: str
    after: int
    most: int

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        check_number(self.after)

    def run(self, batch: Batch) -> tuple[StoredRecord, ...]:
        """Return what is held without a gap; nothing when the next number is not held."""
        row = batch.hubs.get(self.hub)
        spans = () if row is None else row.kept.spans
        span = next((one for one in spans if self.after + 1 in one), None)
        if row is None or span is None:
            return ()
        known = batch.proven.pop(self.hub, span.before)
        proven = rows.Proven((), known)
        if known.number != self.after:
            proven = rows.walk_to(batch.connection, row, span, self.after)
        if not proven.damaged:
            proven = rows.proven_records(batch.connection, row, span, proven.head, self.most)
        if proven.damaged:
            batch.put(self.hub, rows.drop_damaged(batch.connection, row, proven.head))
        else:
            batch.proven[self.hub] = proven.head
        return proven.records


@dataclass(frozen=True, slots=True)
class ReadStretches:
    """The next stretches of a hub behind a number, each as far as it goes: for the backend."""

    hub: str
    after: int
    most: int

    def run(self, batch: Batch) -> tuple[Stretch, ...]:
        """Return them, each record proven, up to what has no head yet or is not held."""
        found: list[Stretch] = []
        after = self.after
        while len(found) < self.most:
            stretch = self._next(batch, after)
            if stretch is None:
                break
            found.append(stretch)
            after = stretch.records[-1].number
        return tuple(found)

    def _next(self, batch: Batch, after: int) -> Stretch | None:
        row = batch.hubs.get(self.hub)
        if row is None:
            return None
        found = heads.furthest(batch.connection, row.id, after, STRETCH_RECORDS)
        if found is None:
            return None
        head, document = found
        records = Read(self.hub, after, head.number - after).run(batch)
        if not records or Head(records[-1].number, records[-1].hash) != head:
            return None
        return Stretch(records, document)


@dataclass(slots=True)
class Opened:
    """What a start found in the file."""

    damaged: list[str] = field(default_factory=list)
    """The hubs of which something did not prove itself and went."""


@dataclass(frozen=True, slots=True)
class ProveEnds:
    """The look of a start at each hub."""

    def run(self, batch: Batch) -> Opened:
        """Prove the hubs whose spans do not agree with their records."""
        opened = Opened()
        for name, row in list(batch.hubs.items()):
            if not rows.ends_agree(batch.connection, row):
                batch.put(name, rows.without_damaged(batch.connection, row))
                opened.damaged.append(name)
        return opened
