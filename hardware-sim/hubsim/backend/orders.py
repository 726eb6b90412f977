"""Orders to hubs, releases and commands of devices, and the answers that are waited for.

Law: an answer is for whoever waits for it; the hub's records are the evidence.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time

from hubcore.backend import uplink
from hubcore.device.command import Verb
from hubcore.errors import LinkError
from hubsim.backend.speakers import Speakers

RESULT_GRACE_SECONDS = 5.0
"""Beyond its validity, how long a release waits for its answer."""
ACT_SECONDS = 150.0
"""The same for a command of devices: a shutter travels for long."""


Answer = uplink.Result | uplink.ActResult


class Orders:
    """Orders to the hubs that `speakers` knows."""

    def __init__(self, speakers: Speakers) -> None:
        self._speakers = speakers
        self._awaited: dict[bytes, asyncio.Future[Answer]] = {}

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
        answer = await self._answer(hub, order, valid_seconds + RESULT_GRACE_SECONDS)
        if not isinstance(answer, uplink.Result):
            raise LinkError(f"backend: hub {hub} answered a release as a command")
        return answer

    async def act(
        self,
        hub: str,
        target: str | int,
        verb: Verb,
        level: int | None,
        valid_seconds: float,
        by: str,
        act_id: bytes | None,
    ) -> uplink.ActResult:
        """See `Backend.act`."""
        self._speakers.refuse_orders(hub)
        order = uplink.Act(
            id=act_id or secrets.token_bytes(uplink.ID_BYTES),
            by=by,
            target=target,
            verb=verb,
            level=level,
            expires_at=math.ceil(time.time() + valid_seconds),
        )
        answer = await self._answer(hub, order, valid_seconds + ACT_SECONDS)
        if not isinstance(answer, uplink.ActResult):
            raise LinkError(f"backend: hub {hub} answered a command as a release")
        return answer

    async def _answer(
        self, hub: str, order: uplink.Release | uplink.Act, within_seconds: float
    ) -> Answer:
        """Give an order and wait for its answer. Raise LinkError."""
        loop = asyncio.get_running_loop()
        answer = self._awaited.setdefault(order.id, loop.create_future())
        try:
            if not self._speakers.send(hub, order):
                raise LinkError(f"backend: hub {hub} is not connected")
            async with asyncio.timeout(within_seconds):
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise LinkError(
                f"backend: hub {hub} gave no answer; its records will show what it did"
            ) from error
        finally:
            self._awaited.pop(order.id, None)

    def answered(self, result: Answer) -> bool:
        """Take a hub's answer; return whether somebody waited for it."""
        waiting = self._awaited.get(result.id)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(result)
        return True
