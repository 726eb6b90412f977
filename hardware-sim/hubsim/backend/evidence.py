"""The records of all hubs: each hub's chain in a store of its own.

Laws:
1. A record counts as held only after it is durable and follows the chain.
2. Another record under a known number is a fork.
3. A record that comes again without its predecessor is a gap.
4. A hub that says in its Hello that it has less than what is held here, or another record there,
   is stopped before any of its records is taken.
5. A hub that has been told that more is held than there is here gets nothing but a Welcome: it
   sends again what was lost here.
6. A record under duress is an alarm, once: when it becomes durable here for the first time.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hubcore.backend.uplink.from_hub import Hello
from hubcore.backend.uplink.words import Cause
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import GENESIS, Head, StoredRecord, facts
from hubcore.timing.moment import show_ms
from hubsim.backend.decisions import Stop
from hubsim.backend.recordstore import KeepOutcome, RecordStore


@dataclass(frozen=True, slots=True)
class Fork:
    """A record that contradicts the chain held here."""

    hub: str
    number: int
    why: str


@dataclass(frozen=True, slots=True)
class Early:
    """The lowest record that came before its predecessor, and the newest one held then."""

    number: int
    head: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of some records: the numbers to acknowledge, and a reason to stop the hub.

    `alarms` are sentences for people.
    """

    held: tuple[int, ...]
    stop: Stop | None = None
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Greeted:
    """What a Hello tells: a reason to stop the hub, and how many records were lost here."""

    stop: Stop | None = None
    lost: int = 0


class Evidence:
    """The stores in a folder; `ignored` counts what is not taken."""

    def __init__(self, folder: Path, ignored: Counter[str]) -> None:
        self.forks: list[Fork] = []
        self.repeated_records = 0
        self._folder = folder
        self._ignored = ignored
        self._stores: dict[str, RecordStore] = {}
        self._early: dict[str, Early] = {}

    def take(self, hub: str, records: list[StoredRecord]) -> Taken:
        """Make records durable. Raise StoreError when none is."""
        store = self.store(hub)
        known = store.head.number if store.head else 0
        outcome = store.keep(records)
        self.repeated_records += outcome.repeated
        self._ignored["record before its predecessor"] += len(outcome.early)
        for one in outcome.contradictions:
            self.forks.append(Fork(hub, one.record.number, one.why))
        stop = self._break(hub, store, outcome)
        new = {one.number: one for one in records if one.number > known}
        alarms = [_alarm(hub, new[number]) for number in sorted({*outcome.held} & {*new})]
        return Taken(outcome.held, stop, tuple(alarm for alarm in alarms if alarm))

    def greet(self, hub: str, hello: Hello) -> Greeted:
        """Hold what a hub says in its Hello against what is held. Raise StoreError."""
        store = self.store(hub)
        newest = store.head
        if newest is None:
            newest = StoredRecord(0, b"", GENESIS)
        told = Head(hello.last_record, hello.head_hash)
        lost = max(0, told.number - hello.waiting - newest.number)
        if told.number > newest.number:
            return Greeted(lost=lost)
        known = told == Head() or store.holds(told)
        if known and told.number == newest.number:
            return Greeted()
        store.note_head(told)
        if known:
            why = (
                f"its newest record is {told.number}, but {newest.number} are held here: its "
                "newest were deleted, or an older copy of its disk was put back"
            )
            return Greeted(Stop(Cause.TAIL_CUT, why))
        why = f"record {told.number} is held here with other bytes"
        return Greeted(Stop(Cause.FORK, f"{why}; its evidence is no longer one story"))

    def _break(self, hub: str, store: RecordStore, outcome: KeepOutcome) -> Stop | None:
        """Return why these records break the chain, None when they do not."""
        if outcome.contradictions:
            first = outcome.contradictions[0]
            store.note_rival(first.record)
            return Stop(Cause.FORK, f"{first.why}; its evidence is no longer one story")
        if not outcome.early:
            return None
        lowest = min(outcome.early, key=lambda record: record.number)
        head = store.head.number if store.head else 0
        early = Early(lowest.number, head)
        before = self._early.get(hub)
        self._early[hub] = early
        if early != before:
            return None
        # A hub that has the record before would have sent that one first.
        store.note_rival(lowest)
        return Stop(
            Cause.GAP,
            f"record {lowest.number} comes again, but never {head + 1}, which follows the newest "
            "held",
        )

    def head(self, hub: str) -> StoredRecord | None:
        """Return the newest record held of a hub."""
        return self.store(hub).head

    def records(self, hub: str) -> list[StoredRecord]:
        """Return the hub's records in order, none for a hub that never sent one."""
        if hub in self._stores:
            return self._stores[hub].records()
        file = self._file(hub)
        if not file.exists():
            return []
        with contextlib.closing(RecordStore(file)) as store:
            return store.records()

    def accept_rival(self, hub: str) -> Path:
        """Take the chain that did not follow as the hub's; return where the old one is kept.

        Raise StoreError when the disk refuses.
        """
        store = self.store(hub)
        del self._stores[hub]
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        newest = store.head.number if store.head else 0
        archive = store.path.with_name(f"{hub}.until-{newest}-{stamp}.db")
        self._stores[hub] = store.succeed(archive)
        self._early.pop(hub, None)
        return archive

    def begin_again(self, hub: str) -> Path | None:
        """Put a hub's records aside: its machine is replaced. Return where, None without any.

        Raise StoreError when the disk refuses.
        """
        file = self._file(hub)
        if not file.exists():
            return None
        head = self.store(hub).head
        self._stores.pop(hub).close()
        self._early.pop(hub, None)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        newest = head.number if head else 0
        return file.rename(file.with_name(f"{hub}.until-{newest}-{stamp}.db"))

    def store(self, hub: str) -> RecordStore:
        """Return a hub's store, opened if need be. Raise StoreError."""
        if hub not in self._stores:
            self._stores[hub] = RecordStore(self._file(hub))
        return self._stores[hub]

    def _file(self, hub: str) -> Path:
        return self._folder / f"{hub}.db"

    def close(self) -> None:
        """Close all stores."""
        for store in self._stores.values():
            store.close()
        self._stores = {}


def _alarm(hub: str, record: StoredRecord) -> str:
    """Return what to shout about a record; nothing of one that is no alarm or cannot be read."""
    try:
        said = facts(record.body)
    except AuditError:
        return ""
    if said.get(Fact.DURESS) is not True:
        return ""
    what = "opened" if said.get(Fact.ALLOWED) is True else "was denied at"
    when = show_ms(said["at"])
    return (
        f"DURESS: {said.get(Fact.ASKER)!r} {what} access point {said.get(Fact.POINT)!r} of hub "
        f"{hub} under threat at {when} (record {record.number}): send help, and call nobody there"
    )
