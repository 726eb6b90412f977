"""Which cards of the policy are a credential's: an index by its beginning, and by all of it.

The policy's pages are found by digests, so that they cannot be asked for a credential. Whoever asks
first after a new policy waits until each page was read once. After that a question reads the few
pages that the index names.

Laws:
1. It leads and proves nothing: what it leads to is read again from a page that proves itself.
2. Everybody else has his turn between two pages, and while a door is opened none is read. With a
   million cards the longest turn took 2.6 ms of CPU, and 99 of 100 took less than 0.3. A question
   builds for BUILD_SECONDS at most; the next one goes on where that stopped.
3. In memory is a number of a page for each card, twice: some 10 MB for a million. Cards beyond
   CARDS_MAX are not in it, and then nothing is said to be unknown.
4. A question reads PAGES_MAX pages at most. A beginning that leads to more is too common.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from zlib import crc32

from hubcore.errors import HubError
from hubcore.ports.clock import Clock

BEGINNING_CHARS = 6
BUCKETS = 1 << 13
CARDS_MAX = 1_000_000
BUILD_SECONDS = 10.0
PAGES_MAX = 1024
_NO_ARRAYS: tuple[array[int], ...] = ()


class CardPages(Protocol):
    """The policy's cards, page by page."""

    def digest(self) -> bytes:
        """The digest of the policy in force."""

    def holders_in(self, page: int) -> Sequence[tuple[str, bytes]] | None:
        """Whose the cards of a page are, with their digests; None behind the last page.

        Raise StoreError.
        """


class NotReadyError(HubError):
    """The index is not whole, and cannot answer; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _nothing() -> Awaitable[None]:
    return asyncio.sleep(0)


class CardIndex:
    """The index of the policy in force."""

    def __init__(
        self,
        cards: CardPages,
        clock: Clock,
        build_seconds: float = BUILD_SECONDS,
        pages_max: int = PAGES_MAX,
        rest: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        """`rest` is awaited between two pages."""
        self._cards = cards
        self._clock = clock
        self._build_seconds = build_seconds
        self._pages_max = pages_max
        self._rest = rest
        self._turn = asyncio.Lock()
        self._digest: bytes | None = None
        self._next_page: int | None = None
        """The page that is read next; None: all were."""
        self._count = 0
        self._by_beginning: Sequence[array[int]] = _NO_ARRAYS
        self._by_whole: Sequence[array[int]] = _NO_ARRAYS

    async def find(self, typed: str) -> dict[str, list[bytes]]:
        """Return the digests of the cards of each credential that begins so.

        One that is whole is meant, whatever begins so. Raise NotReadyError, StoreError.
        """
        async with self._turn:
            await self._build()
            whole = await self._read(self._by_whole, typed)
            if typed in whole:
                return {typed: whole[typed]}
            return await self._read(self._by_beginning, typed[:BEGINNING_CHARS], typed)

    async def _build(self) -> None:
        """Read the pages that were not read yet."""
        digest = self._cards.digest()
        if digest != self._digest:
            self._begin(digest)
        ends = self._clock.monotonic() + self._build_seconds
        while self._next_page is not None:
            self._take(self._next_page)
            await self._rest()
            if self._cards.digest() != digest:
                raise NotReadyError("policy-changes", "Another policy comes into force: ask again.")
            if self._next_page is not None and self._clock.monotonic() > ends:
                raise NotReadyError(
                    "busy",
                    f"hubd reads the cards of this policy for the first time, {self._count} so "
                    "far: ask again.",
                )

    def _begin(self, digest: bytes) -> None:
        self._digest = digest
        self._next_page = 0
        self._count = 0
        self._by_beginning = tuple(array("I") for _ in range(BUCKETS))
        self._by_whole = tuple(array("I") for _ in range(BUCKETS))

    def _take(self, page: int) -> None:
        """Put the cards of a page into the index."""
        holders = self._cards.holders_in(page)
        if holders is None or self._count + len(holders) > CARDS_MAX:
            self._next_page = None
            return
        for credential, _ in holders:
            for index, key in (
                (self._by_beginning, credential[:BEGINNING_CHARS]),
                (self._by_whole, credential),
            ):
                pages = index[_bucket(key)]
                if not pages or pages[-1] != page:
                    pages.append(page)
        self._count += len(holders)
        self._next_page = page + 1

    async def _read(
        self, index: Sequence[array[int]], key: str, beginning: str | None = None
    ) -> dict[str, list[bytes]]:
        """Read the pages of a bucket; return those that are the key, or begin so."""
        pages = index[_bucket(key)]
        if len(pages) > self._pages_max:
            if beginning is None:
                return {}
            raise NotReadyError(
                "ambiguous-credential", "Too many credentials begin so: type it whole."
            )
        found: dict[str, list[bytes]] = {}
        for page in pages:
            for credential, digest in self._cards.holders_in(page) or ():
                is_meant = credential == key
                if beginning is not None:
                    is_meant = credential.startswith(beginning)
                if is_meant:
                    found.setdefault(credential, []).append(digest)
            await self._rest()
        return found


def _bucket(key: str) -> int:
    return crc32(key.encode()) % BUCKETS
