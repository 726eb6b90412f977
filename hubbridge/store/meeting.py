"""A hub comes: it names a record of its own, and what is held and was seen answers.

Where the two do not fit the hub is doubted, until somebody names the head with which it goes on.

Laws:
1. What a Hello comes to is written in the transaction that answers it.
2. A doubt ends by an act that names what the hub told or what was seen, whole. Nothing else ends
   it, and what has no doubt has no act. The act is written in the same transaction.
3. If it is what was seen, all stays as it is. If it is what the hub told, the bridge holds nothing
   of that hub, and begins again where the hub says that the backend ends. What was held and the
   backend is not known to have is set aside, under the act: it is evidence.
4. At most ACTS_MAX acts are kept, and of what they have set aside ASIDE_BYTES beside that of the
   newest. The oldest go.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field, replace

from hubbridge.rules.doubts import Accepted, DoubtEnded
from hubbridge.rules.kept import Kept, resume
from hubbridge.store import heads
from hubbridge.store.asking import asked, check_number, lookup, row_of, seen_hash
from hubbridge.store.jobs import Batch
from hubbridge.store.rows import HubRow
from hubcore.backend.uplink.words import Cause
from hubcore.bridge import witness
from hubcore.bridge.witness import Doubt, SeenChain
from hubcore.evidence.records import Head

ACTS_MAX = 256
ASIDE_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class ActRoom:
    """How many acts are kept, and how many bytes of what they have set aside (law 4)."""

    acts: int = ACTS_MAX
    aside_bytes: int = ASIDE_BYTES


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
            begins = min(self.durable, seen.head, key=lambda head: head.number)
            opened = resume(row.kept, begins, lookup(batch, row))
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


# A doubt ends.


@dataclass(frozen=True, slots=True)
class Accept:
    """Somebody names the head with which a doubted hub's chain goes on (laws 2 to 4)."""

    hub: str
    head: Head
    by: str
    uid: int
    at_ms: int
    room: ActRoom = field(default_factory=ActRoom)

    def __post_init__(self) -> None:
        """Raise ValueError for no record's number."""
        check_number(self.head.number)

    def run(self, batch: Batch) -> Accepted:
        """End the doubt, and write the act, in one transaction."""
        row = batch.hubs.get(self.hub)
        seen = None if row is None else row.seen
        if row is None or seen is None or seen.doubt is None:
            return Accepted(why="this hub is not doubted")
        doubt = seen.doubt
        if self.head not in (doubt.told, seen.head):
            return Accepted(why="this is neither what the hub told nor what was seen")
        act = DoubtEnded(
            at_ms=self.at_ms,
            hub=self.hub,
            by=self.by,
            uid=self.uid,
            cause=doubt.cause,
            told=doubt.told,
            seen=seen.head,
            accepted=self.head,
            aside=0,
        )
        if self.head == seen.head:
            _write_act(batch.connection, act, self.room)
        else:
            act, row = _begin_anew(batch, act, row, self.room)
        batch.put(self.hub, replace(row, seen=seen.accept(self.head)))
        return Accepted(act)


@dataclass(frozen=True, slots=True)
class ReadActs:
    """The doubts that were ended, the newest first."""

    def run(self, batch: Batch) -> tuple[DoubtEnded, ...]:
        """Read them."""
        found = batch.connection.execute(
            "SELECT at_ms, hub, operator, uid, cause, told, told_hash, seen, seen_hash, accepted, "
            "accepted_hash, aside FROM doubts_ended ORDER BY act DESC LIMIT ?",
            (ACTS_MAX,),
        )
        return tuple(
            DoubtEnded(
                at_ms=row[0],
                hub=row[1],
                by=row[2],
                uid=row[3],
                cause=Cause(row[4]),
                told=Head(row[5], row[6]),
                seen=Head(row[7], row[8]),
                accepted=Head(row[9], row[10]),
                aside=row[11],
            )
            for row in found.fetchall()
        )


def _begin_anew(
    batch: Batch, act: DoubtEnded, row: HubRow, room: ActRoom
) -> tuple[DoubtEnded, HubRow]:
    """Set aside what the backend is not known to have, and hold nothing of the hub (law 3)."""
    connection = batch.connection
    among = (row.id, row.kept.durable)
    (count,) = connection.execute(
        "SELECT count(*) FROM records WHERE hub = ? AND number > ?", among
    ).fetchone()
    act = replace(act, aside=count)
    number = _write_act(connection, act, room)
    connection.execute(
        "INSERT INTO set_aside SELECT ?, number, body, hash FROM records "
        "WHERE hub = ? AND number > ?",
        (number, *among),
    )
    _forget_oldest_aside(connection, number, room)
    connection.execute("DELETE FROM records WHERE hub = ?", (row.id,))
    heads.drop_all(connection, row.id)
    batch.proven.pop(act.hub, None)
    kept = Kept(durable=min(row.kept.durable, act.accepted.number))
    return act, replace(row, kept=kept, used_bytes=0, signed=0, key=b"")


def _write_act(connection: sqlite3.Connection, act: DoubtEnded, room: ActRoom) -> int:
    """Write an act; return its number. The oldest leave room, with what they set aside."""
    made = connection.execute(
        "INSERT INTO doubts_ended (at_ms, hub, operator, uid, cause, told, told_hash, seen, "
        "seen_hash, accepted, accepted_hash, aside) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            act.at_ms,
            act.hub,
            act.by,
            act.uid,
            int(act.cause),
            act.told.number,
            act.told.hash,
            act.seen.number,
            act.seen.hash,
            act.accepted.number,
            act.accepted.hash,
            act.aside,
        ),
    )
    number = made.lastrowid or 0
    connection.execute("DELETE FROM set_aside WHERE act <= ?", (number - room.acts,))
    connection.execute("DELETE FROM doubts_ended WHERE act <= ?", (number - room.acts,))
    return number


def _forget_oldest_aside(connection: sqlite3.Connection, newest: int, room: ActRoom) -> None:
    """Let go of what the oldest acts have set aside; what the newest one has set aside stays."""
    found = connection.execute(
        "SELECT act, sum(length(body)) FROM set_aside GROUP BY act ORDER BY act DESC"
    ).fetchall()
    size_bytes = 0
    for act, more in found:
        if act == newest:
            continue
        size_bytes += more
        if size_bytes > room.aside_bytes:
            connection.execute("DELETE FROM set_aside WHERE act <= ?", (act,))
            return
