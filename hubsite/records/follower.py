"""Follows the records of all hubs in the engine, and keeps those that prove themselves.

How it works: one thread with a loop of its own. It waits for the bell of the engine, at most
PULSE_SECONDS. Then it reads what is new in the stream, message by message, and keeps it.

Laws:
1. It goes on where it was, after each start and each lost connection.
2. Where the engine has less than was read, it is read from its beginning. What is here already is
   compared, and not kept again.
3. What does not prove itself is said, and stops no other hub.
4. Old rows go while others come, as many as came: a stream without an end fills no disk.
5. A hub whose rows are to begin again is read from the engine's first message on. That is done
   whole before anything else is read, and again where it was cut off.
6. What bridges have countersigned is read again every WITNESS_SECONDS: only what is new, and all of
   it on each connection.
7. What does not prove itself is a line in the journal once for each cause, however often it comes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from hubcore.bridge.mandate import Mandates
from hubgateway.rules import names
from hubsite.config import Engine, Records
from hubsite.looping import Looping
from hubsite.records import kept, letting, witnesses
from hubsite.records.ahead import Ahead
from hubsite.records.engine import Message, RecordsEngine
from hubsite.records.witnesses import Issuer

PULSE_SECONDS = 1.0
LET_GO_SECONDS = 60.0
WITNESS_SECONDS = 30.0
IssuerOf = Callable[[], Issuer | None]


class Follower(Looping):
    """Runs until it is stopped; `ahead` are the alarms whose records have not come.

    `issuer` says whose mandates count, None while nobody signs here.
    """

    def __init__(self, engine: Engine, keep: Records, issuer: IssuerOf) -> None:
        super().__init__("Records", "hubsite.records")
        self._engine = engine
        self._keep = keep
        self._let_go_at = 0.0
        self._came = 0
        self._issuer = issuer
        self._witness_at = 0.0
        self._mandates = Mandates()
        self._places = dict.fromkeys((names.MANDATES_BUCKET, names.TESTIMONIES_BUCKET), 0)
        self._strays = 0
        self._stray = ""
        self.ahead = Ahead()
        self.read_at = 0.0
        """When the stream was read to its end last, in monotonic seconds; 0 for never."""
        self._problem = "Records: the hubs' engine was not reached yet."

    async def serve(self) -> None:
        """Read on one connection until it is lost. Raise HubError."""
        engine = RecordsEngine(self._engine)
        try:
            await engine.connect()
            await engine.listen(self._changed.set, self.ahead.hear)
            await self._look_at_end(engine)
            self._witness_at = 0.0
            self._places = dict.fromkeys(self._places, 0)
            while engine.is_up and not self.is_stopped:
                await self._begin_again(engine)
                await self._read(engine)
                await self._let_some_go()
                await self._read_witnesses(engine)
                self.found(*await self._wrong())
                await self.wait(PULSE_SECONDS)
        finally:
            await engine.close()

    async def _look_at_end(self, engine: RecordsEngine) -> None:
        """Keep law 2."""
        if await engine.newest() < await self.with_rows(kept.place_read):
            await self.with_rows(partial(kept.move_to, 0))

    async def _read(self, engine: RecordsEngine) -> None:
        """Read to the end of the stream."""
        place = await self.with_rows(kept.place_read)
        while not self.is_stopped:
            messages = await engine.messages(place)
            if not messages:
                self.read_at = time.monotonic()
                return
            await self._take(messages)
            place = messages[-1].place

    async def _take(self, messages: list[Message], moves: bool = True) -> None:
        """Keep what follows of some messages, and make room for it (law 4)."""
        work = partial(kept.take, messages, int(time.time()), moves=moves)
        taken = await self.with_rows(work)
        if taken.strays:
            self._strays += len(taken.strays)
            self._stray = self._stray or taken.strays[0]
        self._came += taken.records
        if self._came >= letting.ROWS_AT_ONCE:
            await self._make_room()
        self.came_round()

    async def _make_room(self) -> None:
        """Let as many rows go as came, if there are too many or too old ones."""
        while self._came > 0 and not self.is_stopped:
            went = await self._let_go()
            self._came = self._came - went if went else 0
            self.came_round()

    async def _begin_again(self, engine: RecordsEngine) -> None:
        """Keep law 5."""
        for hub in await self.with_rows(letting.hubs_again):
            up_to = await self.with_rows(kept.place_read)
            while not await self.with_rows(partial(letting.forget_some, hub)):
                if self.is_stopped:
                    return
            place = 0
            while messages := await engine.messages(place, up_to, hub):
                if self.is_stopped:
                    return
                await self._take(messages, moves=False)
                place = messages[-1].place
            await self.with_rows(partial(letting.is_read_again, hub))

    async def _let_some_go(self) -> None:
        """Let some rows go, the rest in the next turns; nothing new makes rows old, too."""
        if time.monotonic() < self._let_go_at:
            return
        went = await self._let_go()
        self._let_go_at = time.monotonic() + (0.0 if went else LET_GO_SECONDS)

    async def _let_go(self) -> int:
        return await self.with_rows(partial(letting.let_go, self._keep, int(time.time())))

    async def _read_witnesses(self, engine: RecordsEngine) -> None:
        """Keep law 6."""
        issuer = self._issuer()
        if issuer is None or time.monotonic() < self._witness_at:
            return
        self._witness_at = time.monotonic() + WITNESS_SECONDS
        for said in await self._new_in(engine, names.MANDATES_BUCKET, "testimony.*"):
            self._mandates = witnesses.with_mandates(self._mandates, [said], issuer)
        said_by_bridges = await self._new_in(engine, names.TESTIMONIES_BUCKET, ">")
        heads = witnesses.proven(said_by_bridges, self._mandates, issuer.site)
        await self.with_rows(partial(witnesses.keep, heads))

    async def _new_in(self, engine: RecordsEngine, bucket: str, keys: str) -> list[witnesses.Said]:
        """Return what is new in a bucket."""
        found: list[witnesses.Said] = []
        while some := await engine.documents(bucket, keys, self._places[bucket]):
            found += some
            self._places[bucket] = some[-1].place
            if self.is_stopped:
                break
        return found

    async def _wrong(self) -> tuple[str, str]:
        """Return a sentence about what does not prove itself (law 3), and its cause (law 7)."""
        found = await self.with_rows(kept.troubles)
        said = [f"{hub}: {why} ({count} messages)" for hub, why, count in found]
        causes = [f"{hub}: {why}" for hub, why, _ in found]
        if self._strays:
            said.append(f"{self._strays} messages belong to no chain; the first: {self._stray}")
            causes.append(self._stray)
        if not said:
            return "", ""
        return "Records that do not follow are not shown: " + "; ".join(said), "; ".join(causes)
