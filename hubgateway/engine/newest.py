"""A bucket of what hubs say of themselves: it ends at a hub's newest word.

How it works: a message that was on its way on a connection that the hub has left may come minutes
later, at another gateway. The engine knows which connection began last: the revision of the hub's
session (`rules.presence`). So a word is written only for that connection, and only if nobody has
written since that was looked at.

Laws:
1. What a hub has said on its newest connection is never followed by what it has said before.
2. What was said on an older connection is not kept.
3. The same word again costs no write.
4. A hub says it once. Its newest word is owed to the engine until that has kept it, one a hub.
5. An engine that answers a look and then not the write is told once, until a word is kept: it
   answers nothing where an account has not the right to write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hubcore.errors import LinkError, StoreError
from hubgateway.engine.buckets import Table
from hubgateway.engine.owed import AGAIN_SECONDS, Owed
from hubgateway.engine.trouble import MovedOnError, complain
from hubgateway.rules import names

TRIES = 8

Keep = Callable[[str, bytes, int], Awaitable[bool]]
"""Keeps what a hub said on the connection of a turn. Raises StoreError, LinkError."""
Complain = Callable[[str, str], None]
"""Tells people what is wrong with a hub."""


class UnwrittenError(LinkError):
    """The engine has answered a look, and did not answer the write after it."""


async def keep_newest(table: Table, bucket: str, hub: str, said: bytes, turn: int) -> bool:
    """Keep what a hub has said on the connection of this turn; False where a newer one began.

    Raise UnwrittenError, else StoreError, LinkError.
    """
    for _ in range(TRIES):
        before, revision = await table.at(bucket, hub)
        _, newest_turn = await table.at(names.SESSIONS_BUCKET, hub)
        if newest_turn != turn:
            return False
        if before == said:
            return True
        try:
            await table.swap(bucket, hub, said, revision)
        except MovedOnError:
            continue
        except LinkError as error:
            raise UnwrittenError(str(error)) from error
        return True
    raise StoreError(f"{hub} in {bucket} is written by somebody else, again and again")


@dataclass(frozen=True, slots=True)
class _Word:
    said: bytes
    turn: int


class NewestWords:
    """What hubs have said of themselves and the engine does not have yet; `run` brings it there."""

    def __init__(
        self, keep: Keep, complain: Complain, again_seconds: float = AGAIN_SECONDS
    ) -> None:
        self._keep = keep
        self._complain = complain
        self._owed = Owed(self._kept, self._refused, again_seconds)
        self._is_told = False

    def said(self, hub: str, said: bytes, turn: int) -> None:
        """A hub has said this on the connection of this turn (law 4)."""
        before = self._owed.of(hub)
        if before is None or before.turn <= turn:
            self._owed.add(hub, _Word(said, turn))

    async def run(self) -> None:
        """Bring to the engine what is owed, until cancelled."""
        await self._owed.run()

    async def _kept(self, hub: str, word: _Word) -> None:
        try:
            await self._keep(hub, word.said, word.turn)
        except UnwrittenError as error:
            self._tell(error)
            raise
        self._is_told = False

    def _refused(self, hub: str, error: StoreError) -> None:
        self._complain(hub, f"what it finds wrong with itself is not kept: {error}")

    def _tell(self, error: UnwrittenError) -> None:
        """Tell people what may have to be mended at the engine (law 5)."""
        if self._is_told:
            return
        self._is_told = True
        bucket = names.HEALTH_BUCKET
        complain(
            f"what hubs find wrong with themselves is not kept: {error}, though it lets it be read."
            f" The accounts of hubgateway and hubissuer there need $KV.{bucket}.>, and that of "
            f"hubsite $JS.API.STREAM.MSG.GET.KV_{bucket} (docs/backend.md, docs/site.md)"
        )
