"""Which of the hubs in sight to try, as far as their advertisements say.

Laws:
1. A hub that shows the tag of another key is never tried.
2. A hub that shows no tag may be of any site; it is tried when no better one is in sight.
3. A phone without a beacon key tries every hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import Generic, TypeVar

from hubcore.errors import LinkError
from hubcore.phone.beacon import TAG_BYTES, resolves

BETTER_SECONDS = 0.5
"""How long a phone with a beacon key looks for its own site beside a hub that shows no tag."""

_Hub = TypeVar("_Hub")


class SiteMatch(Enum):
    """Whether a hub in sight is of the phone's own site."""

    OURS = "ours"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


def match_site(key: bytes | None, manufacturer_data: Iterable[bytes]) -> SiteMatch:
    """Judge an advertisement of SERVICE by its manufacturer data, each without its company id."""
    if key is None:
        return SiteMatch.OURS
    tags = [data for data in manufacturer_data if len(data) == TAG_BYTES]
    if any(resolves(key, tag) for tag in tags):
        return SiteMatch.OURS
    if tags:
        return SiteMatch.FOREIGN
    return SiteMatch.UNKNOWN


class HubChoice(Generic[_Hub]):
    """The hub to try among those that a scan shows; made in a running loop.

    Hubs whose address is `passed_by` have been tried: they stand at other doors.
    """

    def __init__(self, key: bytes | None, passed_by: frozenset[str] = frozenset()) -> None:
        self._key = key
        self._passed_by = passed_by
        self._made: asyncio.Future[_Hub] = asyncio.get_running_loop().create_future()
        self._fallback: asyncio.TimerHandle | None = None
        self._foreign = False

    def seen(self, hub: _Hub, manufacturer_data: Iterable[bytes], address: str = "") -> None:
        """Take one advertisement of SERVICE; `manufacturer_data` as for `match_site`."""
        if address in self._passed_by:
            return
        match match_site(self._key, manufacturer_data):
            case SiteMatch.OURS:
                self._choose(hub)
            case SiteMatch.UNKNOWN if self._fallback is None:
                loop = asyncio.get_running_loop()
                self._fallback = loop.call_later(BETTER_SECONDS, self._choose, hub)
            case SiteMatch.FOREIGN:
                self._foreign = True

    async def made(self, seconds: float) -> _Hub:
        """Return the hub to try. Raise LinkError when so many seconds have shown none."""
        try:
            async with asyncio.timeout(seconds):
                return await self._made
        except TimeoutError:
            raise LinkError(self._why_none()) from None
        finally:
            if self._fallback is not None:
                self._fallback.cancel()

    def _why_none(self) -> str:
        if self._passed_by:
            return "phone: the hubs in sight stand at other doors"
        if self._foreign:
            return "phone: only hubs of other sites in sight"
        return "phone: no hub in sight"

    def _choose(self, hub: _Hub) -> None:
        if not self._made.done():
            self._made.set_result(hub)
