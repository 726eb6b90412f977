"""Takes a hub's records into the engine.

Laws:
1. A number is acknowledged only after the engine has acknowledged the record, or held it before.
2. What is known of a chain is read again after each reconnection, and after each failure.
3. A chain that is shorter than it was known to be is told to people: the engine has lost records.
   The hub hears of it by a Welcome. It is not stopped: it has them still.
4. A record that is held already is acknowledged again, however old it is.
5. A gap is a record that never comes, not one that the engine did not take.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from hubcore.backend.uplink.from_hub import Hello
from hubcore.backend.uplink.words import Cause
from hubcore.errors import AuditError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Head, StoredRecord, facts
from hubgateway.engine.trouble import MovedOnError, complain
from hubgateway.rules import chain

TRIES = 2
_DURESS = Fact.DURESS.value.encode()


@dataclass(frozen=True, slots=True)
class Kept:
    """The numbers to acknowledge, why the hub is to be stopped, and whether records were lost."""

    numbers: tuple[int, ...]
    stop: chain.Stop | None = None
    alarms: tuple[str, ...] = ()
    lost: bool = False


class Chains(Protocol):
    """Hubs' chains in the engine (`hubgateway.engine.engine`)."""

    generation: int

    async def known(self, hub: str) -> chain.Known:
        """Read what is held of a hub."""

    async def look_back(self, hub: str, numbers: Iterable[int], place: int) -> dict[int, bytes]:
        """Return the hashes of these records, as far as they are held."""

    async def append(self, hub: str, known: chain.Known, records: list[StoredRecord]) -> int:
        """Keep records as the successors of what is known. Raise MovedOnError when they are not."""


class Keeper:
    """The chains of the hubs that speak here."""

    def __init__(self, engine: Chains) -> None:
        self._engine = engine
        self._known: dict[str, tuple[int, chain.Known]] = {}
        self._early: dict[str, tuple[int, int]] = {}
        self._highest: dict[str, int] = {}
        self._told: dict[str, int] = {}

    async def known(self, hub: str) -> chain.Known:
        """Return what is held of a hub. Raise StoreError, LinkError."""
        generation = self._engine.generation
        cached = self._known.get(hub)
        if cached is not None and cached[0] == generation:
            return cached[1]
        known = await self._engine.known(hub)
        self._known[hub] = (generation, known)
        return known

    async def _look_back(self, hub: str, known: chain.Known, numbers: Iterable[int]) -> chain.Known:
        """Return what is known with the hashes of older records, too."""
        older = await self._engine.look_back(hub, numbers, known.place)
        return chain.Known(known.head, known.place, {**older, **known.hashes})

    def forget(self, hub: str) -> None:
        """Read the hub's chain again the next time."""
        self._known.pop(hub, None)

    def leave(self, hub: str) -> None:
        """The hub speaks elsewhere now."""
        self.forget(hub)
        self._early.pop(hub, None)
        self._highest.pop(hub, None)

    async def compare(self, hub: str, told: Hello) -> tuple[Head, chain.Stop | None]:
        """Return the newest record held and why the hub is to be stopped. Raise as `known`."""
        self.forget(hub)
        known = await self.known(hub)
        head = Head(told.last_record, told.head_hash)
        if known.holds(head) is None:
            known = await self._look_back(hub, known, [head.number])
        if not self._note_loss(hub, known):
            self._note_loss_by(hub, told, known)
        return known.head, chain.compare(known, told)

    async def agrees(self, hub: str, head: Head) -> bool | None:
        """Tell whether this record is held; None for one beyond what is held. Raise as `known`."""
        known = await self.known(hub)
        if head.number > known.head.number:
            return None
        if known.holds(head) is None:
            known = await self._look_back(hub, known, [head.number])
        return known.holds(head)

    async def take(self, hub: str, records: list[StoredRecord]) -> Kept:
        """Keep records durably. Raise StoreError, LinkError when that is not sure.

        What the hub sent behind records that the engine did not take is early, and no gap.
        """
        try:
            kept = await self._take(hub, records)
        except BaseException:
            self.forget(hub)
            self._early.pop(hub, None)
            raise
        if kept is None:
            self._early.pop(hub, None)
            return Kept(())
        return kept

    async def _take(self, hub: str, records: list[StoredRecord]) -> Kept | None:
        """Keep records; None when the chain moved on each time."""
        for _ in range(TRIES):
            known = await self.known(hub)
            if self._note_loss(hub, known):
                return Kept((), lost=True)
            judged = chain.judge(known, records)
            if judged.older:
                known = await self._look_back(hub, known, judged.older)
                judged = chain.judge(known, records)
            try:
                return await self._add(hub, known, judged)
            except MovedOnError:
                self.forget(hub)
        return None

    async def _add(self, hub: str, known: chain.Known, judged: chain.Judged) -> Kept:
        if judged.new:
            place = await self._engine.append(hub, known, judged.new)
            generation, _ = self._known[hub]
            self._known[hub] = (generation, chain.added(known, judged.new, place))
            self._highest[hub] = judged.new[-1].number
        said = [duress(hub, record) for record in judged.new]
        return Kept(
            numbers=(*judged.repeated, *(record.number for record in judged.new)),
            stop=self._break(hub, judged),
            alarms=tuple(one for one in said if one),
        )

    def _break(self, hub: str, judged: chain.Judged) -> chain.Stop | None:
        if judged.fork:
            return chain.Stop(Cause.FORK, f"{judged.fork}; its evidence is no longer one story")
        if not judged.early:
            return None
        number = min(record.number for record in judged.early)
        head = self._known[hub][1].head.number
        before = self._early.get(hub)
        self._early[hub] = (number, head)
        if before != (number, head):
            return None
        return chain.Stop(
            Cause.GAP,
            f"record {number} comes again, but never {head + 1}, which follows the newest held",
        )

    def _note_loss(self, hub: str, known: chain.Known) -> bool:
        highest = self._highest.get(hub, 0)
        self._highest[hub] = known.head.number
        if known.head.number >= highest:
            return False
        complain(
            f"hub {hub}: the engine held its records up to {highest}, and holds them up to "
            f"{known.head.number} now: it has lost what it acknowledged, or somebody purged it"
        )
        return True

    def _note_loss_by(self, hub: str, told: Hello, known: chain.Known) -> None:
        """Tell, once for each connection to the engine, what a Hello shows to be lost."""
        acknowledged = told.last_record - told.waiting
        generation = self._engine.generation
        if acknowledged <= known.head.number or self._told.get(hub) == generation:
            return
        self._told[hub] = generation
        complain(
            f"hub {hub}: its records up to {acknowledged} were acknowledged, and the engine holds "
            f"them up to {known.head.number}: it has lost the others, or somebody purged them"
        )


def duress(hub: str, record: StoredRecord) -> str:
    """Return the sentence of a silent alarm, "" for a record that is none or cannot be read.

    docs/uplink.md, "A silent alarm".
    """
    if _DURESS not in record.body:  # most records: not worth a look at each of their facts
        return ""
    try:
        said = facts(record.body)
    except AuditError:
        return ""
    if said.get(Fact.DURESS) is not True:
        return ""
    return (
        f"DURESS: {said.get(Fact.ASKER)!r} at access point {said.get(Fact.POINT)!r} of hub {hub} "
        f"(record {record.number}): send help, and call nobody there"
    )
