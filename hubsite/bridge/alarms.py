"""Alarms that are known by the bridge alone: kept until their records are here, and seen meanwhile.

Laws:
1. An alarm is known by its hub, the number of its record, the chain's hash with it, its words, and
   the whole second at which it was, by its hub's clock.
2. When its record is here, and says the same, the row goes. Who has seen it has seen the record.
3. A record under that number that is another one, or says something else, was seen by nobody. The
   row stays, and says so, until somebody has seen it.
4. Rows have a ceiling, and those of a hub one of their own. Above it those leave first that
   somebody has seen, then those of the lowest records. Above the ceiling of all a seen one leaves,
   of any hub. Where there is none, one of the hub that has most leaves, if that has two more than
   the hub that comes, or the one that comes has none: so no hub pushes out another's last one, and
   rows come to rest. The last one of a hub leaves only where each hub has one.
5. That somebody has seen one is an act, in the same transaction, and counts once.
6. What finds no room, or leaves without being seen, is told to who brings alarms.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from hubcore.errors import AuditError
from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.records import StoredRecord, facts
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.bridge.answer import Identity, SaidAlarm, shown
from hubsite.bridge.models import WORDS_LENGTH, BridgeAlarm

SHOWN = 100


@dataclass(frozen=True, slots=True)
class Ceilings:
    """How many rows there are at the most (law 4)."""

    each: int = 32
    all: int = 1024


CEILINGS = Ceilings()


@dataclass(frozen=True, slots=True)
class Seen:
    """Who has seen an alarm, and when, in Unix seconds."""

    by: str
    at: int


def words_of(body: bytes) -> str:
    """Return what a record alarms of, as a row has it; "" for no alarm."""
    words: str = shown(alarm_of(body)[:WORDS_LENGTH])
    return words


def second_of(body: bytes) -> int | None:
    """Return when a record was made, in whole Unix seconds by its hub; None for no record."""
    try:
        return int(facts(body)["at"]) // 1000
    except AuditError:
        return None


def met(hub: str, records: Sequence[StoredRecord]) -> dict[int, Seen]:
    """These records of a hub are here, in their order (laws 2 and 3).

    Return who has seen which of them, by number.
    """
    between = (records[0].number, records[-1].number)
    rows = BridgeAlarm.objects.filter(hub=hub, number__range=between)
    found = list(rows.select_for_update())
    by_number = {record.number: record for record in records} if found else {}
    seen = {}
    for row in found:
        record = by_number.get(row.number)
        if record is None:
            continue
        if not is_of(row.identity, record):
            BridgeAlarm.objects.filter(pk=row.pk).update(is_other=True)
            continue
        if row.seen_at is not None:
            seen[row.number] = Seen(row.seen_by, row.seen_at)
        row.delete()
    return seen


def is_of(alarm: Identity, record: StoredRecord) -> bool:
    """Tell whether an alarm is that of this record of its hub (law 2)."""
    body = record.body
    said = (record.number, record.hash.hex(), words_of(body), second_of(body))
    return alarm[1:] == said


def keep(
    alarms: Iterable[tuple[SaidAlarm, bool]],
    bridge: str,
    now: int,
    ceilings: Ceilings = CEILINGS,
) -> set[Identity]:
    """Keep new alarms, each with whether another record is here; return those of law 6.

    `now` is Unix time.
    """
    room = _Room(ceilings)
    left_out = set()
    for said, is_other in alarms:
        if said.identity in room.known:
            continue
        left_out |= room.make_for(said)
        if said.identity not in room.known:
            continue
        BridgeAlarm.objects.create(
            hub=said.hub,
            number=said.record,
            chain_hash=said.hash,
            words=said.what,
            at=int(said.at),
            bridge=bridge,
            heard_at=now,
            is_other=is_other,
        )
    return left_out - room.known


_Row = tuple[bool, Identity]
"""Whether nobody has seen it, and what it is known by: in this order rows leave."""


class _Room:
    """Keeps law 4 in one transaction; `known` are the alarms that are here."""

    def __init__(self, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        self._of: dict[str, list[_Row]] = defaultdict(list)
        rows = [(row.seen_at is None, row.identity) for row in BridgeAlarm.objects.all()]
        self.known = {identity for _, identity in rows}
        for row in sorted(rows):
            self._of[_hub_of(row)].append(row)

    def make_for(self, said: SaidAlarm) -> set[Identity]:
        """Make room for an alarm, and count it as known; return what has none now (law 6)."""
        mine = self._of[said.hub]
        new = (True, said.identity)
        whose = self._who_leaves(said.hub)
        if whose == said.hub and (not mine or new < mine[0]):
            return {said.identity}
        left = self._let_go(whose) if whose else set()
        insort(mine, new)
        self.known.add(said.identity)
        return left

    def _let_go(self, hub: str) -> set[Identity]:
        """Remove the first row of a hub; return it if nobody has seen it."""
        is_unseen, identity = self._of[hub].pop(0)
        self.known.discard(identity)
        _, number, chain_hash, words, at = identity
        its = BridgeAlarm.objects.filter(hub=hub, number=number, chain_hash=chain_hash)
        its.filter(words=words, at=at).delete()
        return {identity} if is_unseen else set()

    def _who_leaves(self, hub: str) -> str:
        """Return whose first row leaves its place to one of this hub, "" for nobody's."""
        has = self._number_of(hub)
        if has >= self._ceilings.each:
            return hub
        if len(self.known) < self._ceilings.all:
            return ""
        with_seen = [one for one, rows in self._of.items() if rows and not rows[0][0]]
        if with_seen:
            return max(with_seen, key=self._number_of)
        most = max(self._of, key=self._number_of)
        # Two more, or else two hubs would push out each other's for ever.
        at_least = has + 2 if has else 1
        return most if self._number_of(most) >= at_least else hub

    def _number_of(self, hub: str) -> int:
        return len(self._of[hub])


def _hub_of(row: _Row) -> str:
    return row[1][0]


def unseen() -> list[BridgeAlarm]:
    """Return the newest of these alarms that nobody has seen."""
    return list(BridgeAlarm.objects.filter(seen_at__isnull=True)[:SHOWN])


def seen() -> list[BridgeAlarm]:
    """Return the newest that somebody has seen, and whose records are not here."""
    return list(BridgeAlarm.objects.filter(seen_at__isnull=False)[:SHOWN])


def see(by: str, ids: Sequence[int]) -> int:
    """Somebody has seen these (law 5); return how many nobody had seen before."""
    with transaction.atomic():
        rows = BridgeAlarm.objects.filter(pk__in=ids[:SHOWN], seen_at__isnull=True)
        found = list(rows.select_for_update().order_by("id"))
        for row in found:
            log.write(
                by,
                ActKind.ALARM_SEEN,
                about=f"record {row.hub} {row.number}",
                bridge=row.bridge,
                chain_hash=row.chain_hash,
            )
        keys = [row.pk for row in found]
        BridgeAlarm.objects.filter(pk__in=keys).update(seen_by=by, seen_at=int(time.time()))
    return len(found)
