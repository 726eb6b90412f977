"""Whether a hub in sight is of the phone's own site, as far as its advertisement says, and which
one to try.

Law: a hub that shows the tag of another key is never tried; one that shows none may be of any site,
and is tried when no better is in sight; a phone without a beacon key tries every hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from enum import Enum
from typing import Generic, TypeVar

from hubcore.errors import LinkError
from hubcore.phone.beacon import TAG_BYTES, resolves

BETTER_SECONDS = 0.5
"""How long a phone with a beacon key waits for a hub that shows its site, beside one that shows
none.
"""

_Hub = TypeVar("_Hub")


class Kin(Enum):
    """What a hub is to this phone."""

    OURS = "ours"
    UNKNOWN = "unknown"
    FOREIGN = "foreign"


def kin(key: bytes | None, manufacturer_data: Iterable[bytes]) -> Kin:
    """Judge an advertisement of SERVICE by its manufacturer data, each without the company it
    begins with.
    """
    if key is None:
        return Kin.OURS
    tags = [data for data in manufacturer_data if len(data) == TAG_BYTES]
    if any(resolves(key, tag) for tag in tags):
        return Kin.OURS
    return Kin.FOREIGN if tags else Kin.UNKNOWN


class Choice(Generic[_Hub]):
    """The hub to try among those that a scan shows; made in a running loop, for a phone with or
    without a key.

    Hubs whose address is `passed_by` have been tried: they stand at other doors.
    """

    def __init__(self, key: bytes | None, passed_by: frozenset[str] = frozenset()) -> None:
        self._key = key
        self._passed_by = passed_by
        self._made: asyncio.Future[_Hub] = asyncio.get_running_loop().create_future()
        self._fallback: asyncio.TimerHandle | None = None
        self._foreign = False

    def seen(self, hub: _Hub, manufacturer_data: Iterable[bytes], address: str = "") -> None:
        """Take one advertisement of SERVICE, with its manufacturer data as `kin` wants it."""
        if address in self._passed_by:
            return
        match kin(self._key, manufacturer_data):
            case Kin.OURS:
                self._take(hub)
            case Kin.UNKNOWN if self._fallback is None:
                self._fallback = asyncio.get_running_loop().call_later(
                    BETTER_SECONDS, self._take, hub
                )
            case Kin.FOREIGN:
                self._foreign = True

    async def made(self, seconds: float) -> _Hub:
        """Return the hub to try. Raise LinkError when so many seconds have shown none."""
        try:
            async with asyncio.timeout(seconds):
                return await self._made
        except TimeoutError:
            if self._passed_by:
                raise LinkError("phone: the hubs in sight stand at other doors") from None
            only = "only hubs of other sites" if self._foreign else "no hub"
            raise LinkError(f"phone: {only} in sight") from None
        finally:
            if self._fallback is not None:
                self._fallback.cancel()

    def _take(self, hub: _Hub) -> None:
        if not self._made.done():
            self._made.set_result(hub)
