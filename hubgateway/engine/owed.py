"""The newest word of each hub that the engine does not have yet.

Laws:
1. A hub's newest word is owed until the engine has kept it, one a hub.
2. A word that the engine refuses is told, stays owed, and holds up no other hub's.
3. While the engine is away all are owed, and brought again after `again_seconds`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hubcore.errors import LinkError, StoreError

AGAIN_SECONDS = 1.0
Said = TypeVar("Said")


class Owed(Generic[Said]):
    """`keep` raises StoreError for a word that is refused, LinkError without the engine."""

    def __init__(
        self,
        keep: Callable[[str, Said], Awaitable[None]],
        refused: Callable[[str, StoreError], None],
        again_seconds: float = AGAIN_SECONDS,
    ) -> None:
        self._keep = keep
        self._refused = refused
        self._again_seconds = again_seconds
        self._words: dict[str, Said] = {}
        self._some = asyncio.Event()

    def of(self, hub: str) -> Said | None:
        """Return what is owed of a hub."""
        return self._words.get(hub)

    def add(self, hub: str, said: Said) -> None:
        """Owe this, in place of what was owed of the hub (law 1)."""
        self._words[hub] = said
        self._some.set()

    async def run(self) -> None:
        """Bring to the engine what is owed, again and again, until cancelled."""
        while True:
            await self._some.wait()
            self._some.clear()
            await self._keep_all()
            if self._words:
                await asyncio.sleep(self._again_seconds)
                self._some.set()

    async def _keep_all(self) -> None:
        for hub, said in list(self._words.items()):
            try:
                await self._keep(hub, said)
            except StoreError as error:
                self._refused(hub, error)
                continue
            except LinkError:
                return
            if self._words.get(hub) is said:
                del self._words[hub]
