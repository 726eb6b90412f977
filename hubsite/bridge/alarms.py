"""Alarms that are known by the bridge alone: kept until their records are here, and seen meanwhile.

Laws:
1. An alarm is known by its hub, the number of its record, the chain's hash with it, and its words.
2. When its record is here, and says the same, the row goes. Who has seen it has seen the record.
3. A record under that number that is another one, or says something else, was seen by nobody. The
   row stays, and says so, until somebody has seen it.
4. Rows have a ceiling, and those of a hub one of their own: the ones of its highest records stay.
   Above the ceiling of all, the oldest record goes of the hub that has most. So no hub pushes out
   another's.
5. That somebody has seen one is an act, in the same transaction, and counts once.
"""

from __future__ import annotations

import time
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction

from hubcore.evidence.alarms import alarm_of
from hubcore.evidence.records import StoredRecord
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.bridge.answer import SaidAlarm, shown
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
        if not is_of(row.chain_hash, row.words, record):
            BridgeAlarm.objects.filter(pk=row.pk).update(is_other=True)
            continue
        if row.seen_at is not None:
            seen[row.number] = Seen(row.seen_by, row.seen_at)
        row.delete()
    return seen


def is_of(chain_hash: str, words: str, record: StoredRecord) -> bool:
    """Tell whether an alarm is that of a record (law 2)."""
    return chain_hash == record.hash.hex() and words == words_of(record.body)


def keep(
    alarms: Iterable[tuple[SaidAlarm, bool]],
    bridge: str,
    now: int,
    ceilings: Ceilings = CEILINGS,
) -> int:
    """Keep new alarms, each with whether another record is here; return how many found no room.

    `now` is Unix time.
    """
    room = _Room(ceilings)
    left_out = 0
    for said, is_other in alarms:
        if said.identity in room.known:
            continue
        if not room.make_for(said):
            left_out += 1
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
    return left_out


class _Room:
    """Keeps law 4 in one transaction; `known` are the alarms that are here."""

    def __init__(self, ceilings: Ceilings) -> None:
        self._ceilings = ceilings
        rows = BridgeAlarm.objects.values_list("hub", "number", "chain_hash", "words")
        self.known = set(rows)
        self._of: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
        for hub, number, chain_hash, words in sorted(self.known):
            self._of[hub].append((number, chain_hash, words))

    def make_for(self, said: SaidAlarm) -> bool:
        """Make room for an alarm, and count it; tell whether there is some."""
        mine = self._of[said.hub]
        whose = self._who_leaves(said.hub)
        if whose == said.hub and (not mine or said.record < mine[0][0]):
            return False
        if whose:
            number, chain_hash, words = self._of[whose].pop(0)
            self.known.discard((whose, number, chain_hash, words))
            its = BridgeAlarm.objects.filter(hub=whose, number=number, chain_hash=chain_hash)
            its.filter(words=words).delete()
        insort(mine, (said.record, said.hash, said.what))
        self.known.add(said.identity)
        return True

    def _who_leaves(self, hub: str) -> str:
        """Return whose oldest alarm leaves its place to one of this hub, "" for nobody's."""
        if self._number_of(hub) >= self._ceilings.each:
            return hub
        if len(self.known) < self._ceilings.all:
            return ""
        most = max(self._of, key=self._number_of)
        return most if self._number_of(most) > self._number_of(hub) else hub

    def _number_of(self, hub: str) -> int:
        return len(self._of[hub])


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
