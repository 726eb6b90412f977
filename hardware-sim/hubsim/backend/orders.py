"""Remote releases and orders for doors: each to a hub, and the answer that is waited for.

Law: an answer is for whoever waits for it; the hub's records are the evidence.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from typing import Any

from hubcore.access.precedence import DoorOrder
from hubcore.backend import uplink
from hubcore.errors import LinkError
from hubsim.backend.speakers import Speakers

RESULT_GRACE_SECONDS = 5.0
"""Beyond its validity, how long a release waits for its answer."""


class Orders:
    """Orders to the hubs that `speakers` knows."""

    def __init__(self, speakers: Speakers) -> None:
        self._speakers = speakers
        self._awaited: dict[bytes, asyncio.Future[Any]] = {}

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
        identity = release_id or secrets.token_bytes(uplink.ID_BYTES)
        expires_at = math.ceil(time.time() + valid_seconds)
        order = uplink.Release(identity, access_point, expires_at, seconds, by)
        result: uplink.Result = await self._ask(hub, order, valid_seconds)
        return result

    async def stand(
        self,
        hub: str,
        order: DoorOrder,
        on: bool,
        *,
        access_point: int | None,
        valid_seconds: float,
        until: int | None,
        by: str,
        order_id: bytes | None,
    ) -> uplink.OrderResult:
        """See `Backend.stand`."""
        message = uplink.Order(
            id=order_id or secrets.token_bytes(uplink.ID_BYTES),
            by=by,
            access_point=access_point,
            order=order,
            on=int(on),
            expires_at=math.ceil(time.time() + valid_seconds),
            until=until,
        )
        result: uplink.OrderResult = await self._ask(hub, message, valid_seconds)
        return result

    async def _ask(
        self, hub: str, order: uplink.Release | uplink.Order, valid_seconds: float
    ) -> Any:
        """Send an order and wait for its answer. Raise LinkError."""
        self._speakers.refuse_orders(hub)
        identity = order.id
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

    def answered(self, result: uplink.Result | uplink.OrderResult) -> bool:
        """Take a hub's answer; return whether somebody waited for it."""
        waiting = self._awaited.get(result.id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(result)
        return True
