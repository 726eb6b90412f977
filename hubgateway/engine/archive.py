"""The records of machines that were replaced: moved to a stream of their own, never dropped.

How it works: each message of the old machine is copied to `hub.replaced.HUB.KEY`, where KEY begins
the key of the new machine, and says in a header where it lay. Then the hub's subject is purged up
to the last one that was copied. A move that was cut off goes on behind the last copy.

Law: nothing is purged that the engine has not acknowledged as copied.
"""

from __future__ import annotations

import nats.errors
from nats.js import JetStreamContext, api
from nats.js import errors as refusals

from hubcore.errors import StoreError
from hubgateway.engine.buckets import AFTER
from hubgateway.engine.trouble import ANSWER_SECONDS, trouble
from hubgateway.rules import names

PLACE = "Hub-Place"
TRIES = 3


class Archive:
    """The records of one engine."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def put_aside(self, hub: str, key: str) -> None:
        """Move all records of a hub, whose next machine has this key. Raise StoreError, LinkError.

        The old machine's keys no longer count. What a gateway was writing just then is moved, too.
        """
        source = names.subject(names.RECORDS, hub)
        target = names.replaced(hub, key)
        try:
            for _ in range(TRIES):
                if await self._last(names.RECORDS_STREAM, source) is None:
                    return
                copied = await self._copy(source, target)
                await self._js.purge_stream(names.RECORDS_STREAM, seq=copied + 1, subject=source)
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error
        raise StoreError(f"records of hub {hub} still come from its old machine")

    async def _copy(self, source: str, target: str) -> int:
        """Copy what is not copied yet; return the place of the last one."""
        last = await self._last(names.REPLACED_STREAM, target)
        after = last.seq or 0 if last is not None else 0
        place = int((last.headers or {}).get(PLACE, "0")) if last is not None else 0
        while True:
            try:
                found = await self._js.get_msg(names.RECORDS_STREAM, place + 1, source, next=True)
            except refusals.NotFoundError:
                return place
            place = found.seq or 0
            headers = {AFTER: str(after), PLACE: str(place)}
            kept = await self._js.publish(
                target, found.data or b"", timeout=ANSWER_SECONDS, headers=headers
            )
            after = kept.seq

    async def _last(self, stream: str, subject: str) -> api.RawStreamMsg | None:
        try:
            return await self._js.get_last_msg(stream, subject)
        except refusals.NotFoundError:
            return None
