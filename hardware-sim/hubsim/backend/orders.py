"""Remote releases: an order to a hub, and the answer that is waited for.

Law: an answer is for whoever waits for it; the hub's records are the evidence.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time

from hubcore.backend import uplink
from hubcore.errors import LinkError
from hubsim.backend.speakers import Speakers

RESULT_GRACE_SECONDS = 5.0
"""Beyond its validity, how long a release waits for its answer."""


class Orders:
    """Orders to the hubs that `speakers` knows."""

    def __init__(self, speakers: Speakers) -> None:
        self._speakers = speakers
        self._awaited: dict[bytes, asyncio.Future[uplink.Result]] = {}

    async def release(
        self,
        hub: str,
        access_point: int,
        valid_seconds: float,
        by: str,
        seconds: int | None,
        release_id: bytes | None,
    ) -> uplink.Result:
        """See `Backend.release`."""
        self._speakers.refuse_orders(hub)
        identity = release_id or secrets.token_bytes(uplink.ID_BYTES)
        expires_at = math.ceil(time.time() + valid_seconds)
        order = uplink.Release(identity, access_point, expires_at, seconds, by)
        loop = asyncio.get_running_loop()
        answer = self._awaited.setdefault(identity, loop.create_future())
        try:
            if not self._speakers.send(hub, order):
                raise LinkError(f"backend: hub {hub} is not connected")
            async with asyncio.timeout(valid_seconds + RESULT_GRACE_SECONDS):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise LinkError(
                f"backend: hub {hub} gave no answer; its records will show what it did"
            ) from error
        finally:
            self._awaited.pop(identity, None)

    def answered(self, result: uplink.Result) -> bool:
        """Take a hub's answer; return whether somebody waited for it."""
        waiting = self._awaited.get(result.id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(result)
        return True
