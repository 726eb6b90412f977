"""Orders to hubs: releases, orders for doors and commands of devices; and their awaited answers.

Law: an answer is for whoever waits for it; the hub's records are the evidence.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import time

from hubcore.access.precedence import DoorOrder
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.words import ID_BYTES
from hubcore.device.command import Verb
from hubcore.errors import LinkError
from hubsim.backend.speakers import Speakers
from hubsim.site.folder import FIRST_OPERATOR

VALID_SECONDS = 10.0
"""How long an order may wait for a hub, where nobody says otherwise."""
RESULT_GRACE_SECONDS = 5.0
"""Beyond its validity, how long a release waits for its answer."""
ACT_SECONDS = 150.0
"""The same for a command of devices: a shutter travels for long."""

Asked = from_backend.Release | from_backend.Order | from_backend.Act
Answer = from_hub.Result | from_hub.OrderResult | from_hub.ActResult


class Orders:
    """Orders to the hubs that `speakers` knows."""

    def __init__(self, speakers: Speakers) -> None:
        self._speakers = speakers
        self._awaited: dict[bytes, asyncio.Future[Answer]] = {}

    async def release(
        self,
        hub: str,
        access_point: int,
        valid_seconds: float = VALID_SECONDS,
        by: str = FIRST_OPERATOR,
        *,
        seconds: int | None = None,
        release_id: bytes | None = None,
    ) -> from_hub.Result:
        """Order a release and return how it ended.

        Raise LinkError when the hub is away or gives no answer in time. Repeat with the same
        `release_id` to ask again what became of one: the hub never does it twice.
        """
        identity = release_id or secrets.token_bytes(ID_BYTES)
        expires_at = math.ceil(time.time() + valid_seconds)
        order = from_backend.Release(identity, access_point, expires_at, seconds, by)
        answer = await self._answer(hub, order, valid_seconds + RESULT_GRACE_SECONDS)
        if not isinstance(answer, from_hub.Result):
            raise LinkError(f"backend: hub {hub} answered a release as another order")
        return answer

    async def stand(
        self,
        hub: str,
        order: DoorOrder,
        on: bool = True,
        *,
        access_point: int | None = None,
        valid_seconds: float = VALID_SECONDS,
        until: int | None = None,
        by: str = FIRST_OPERATOR,
        order_id: bytes | None = None,
    ) -> from_hub.OrderResult:
        """Let an order stand for a door, or for all doors, or end it; return what became of it.

        Raise LinkError when the hub is away or gives no answer in time.
        """
        message = from_backend.Order(
            id=order_id or secrets.token_bytes(ID_BYTES),
            by=by,
            access_point=access_point,
            order=order,
            on=int(on),
            expires_at=math.ceil(time.time() + valid_seconds),
            until=until,
        )
        answer = await self._answer(hub, message, valid_seconds + RESULT_GRACE_SECONDS)
        if not isinstance(answer, from_hub.OrderResult):
            raise LinkError(f"backend: hub {hub} answered an order for a door as another order")
        return answer

    async def act(
        self,
        hub: str,
        target: str | int,
        verb: Verb,
        level: int | None = None,
        *,
        valid_seconds: float = VALID_SECONDS,
        by: str = FIRST_OPERATOR,
        act_id: bytes | None = None,
    ) -> from_hub.ActResult:
        """Command a device of a hub, or a group of the policy; return what became of it.

        Raise LinkError when the hub is away or gives no answer in time.
        """
        order = from_backend.Act(
            id=act_id or secrets.token_bytes(ID_BYTES),
            by=by,
            target=target,
            verb=verb,
            level=level,
            expires_at=math.ceil(time.time() + valid_seconds),
        )
        answer = await self._answer(hub, order, valid_seconds + ACT_SECONDS)
        if not isinstance(answer, from_hub.ActResult):
            raise LinkError(f"backend: hub {hub} answered a command as another order")
        return answer

    async def _answer(self, hub: str, order: Asked, within_seconds: float) -> Answer:
        """Give an order and wait for its answer. Raise LinkError."""
        self._speakers.refuse_orders(hub)
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
