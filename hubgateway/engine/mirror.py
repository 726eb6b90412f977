"""A bucket of the engine, mirrored here.

Laws:
1. While the engine is away, or was not read since it came back, the mirror is not fresh and nothing
   is believed that lies in it.
2. What changes is known as soon as it is published. All is read again after each reconnection, and
   now and then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from nats.aio.msg import Msg

from hubcore.errors import LinkError, StoreError
from hubgateway.engine.buckets import GONE, OPERATION
from hubgateway.engine.engine import Engine
from hubgateway.engine.trouble import complain

READ_AGAIN_SECONDS = 30.0
RETRY_SECONDS = 0.5

Changed = Callable[[str, bytes | None], None]


class Mirror:
    """`changed` hears of each key that has another value now, None for one that is gone.

    `wanted`: which keys, as NATS has it.
    """

    def __init__(
        self,
        engine: Engine,
        bucket: str,
        changed: Changed = lambda _key, _value: None,
        wanted: str = ">",
    ) -> None:
        self._values: dict[str, bytes] = {}
        self._engine = engine
        self._bucket = bucket
        self._changed = changed
        self._wanted = wanted
        self._read_in: int | None = None
        self._heard: dict[str, bytes | None] = {}

    @property
    def values(self) -> Mapping[str, bytes]:
        """The values by key."""
        return self._values

    @property
    def fresh(self) -> bool:
        """Whether the mirror may be believed."""
        return self._engine.is_up and self._read_in == self._engine.generation

    async def start(self) -> None:
        """Hear of changes from now on, then read all. Raise StoreError, LinkError."""
        subject = f"$KV.{self._bucket}.{self._wanted}"
        await self._engine.listen(subject, self._on_change)
        await self._read()

    async def run(self) -> None:
        """Read all again, now and then and when the engine has come back, until cancelled."""
        read_at = time.monotonic()
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            is_due = time.monotonic() - read_at >= READ_AGAIN_SECONDS
            if not self._engine.is_up or (self.fresh and not is_due):
                continue
            try:
                await self._read()
                read_at = time.monotonic()
            except (StoreError, LinkError) as error:
                complain(f"bucket {self._bucket}: {error}")

    async def _read(self) -> None:
        generation = self._engine.generation
        self._heard.clear()
        found = await self._engine.buckets.snapshot(self._bucket, self._wanted)
        for key, value in self._heard.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
        before = self._values
        self._values = found
        self._read_in = generation
        for key in before.keys() | found.keys():
            if before.get(key) != found.get(key):
                self._changed(key, found.get(key))

    async def _on_change(self, message: Msg) -> None:
        key = message.subject.split(".", 2)[2]
        operation = (message.headers or {}).get(OPERATION, "")
        value = None if operation in GONE else message.data
        self._heard[key] = value
        if value is None:
            self._values.pop(key, None)
        else:
            self._values[key] = value
        self._changed(key, value)
