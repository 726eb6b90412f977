"""The engine's stream of records, as this server reads it.

Laws:
1. It is read without a consumer, message by message from a place that is kept.
2. What is published is a bell: it is looked at in the stream. Notices alone lie nowhere.
3. What is read at once has a ceiling of messages and of bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hubgateway.rules import names
from hubsite.config import Engine
from hubsite.hubs.engine import HubsEngine
from hubsite.records.witnesses import Said

MESSAGES_AT_ONCE = 64
BYTES_AT_ONCE = 1 << 20
ALL = f"{names.RECORDS}.*"
_BEGINS = f"{names.RECORDS}."


@dataclass(frozen=True, slots=True)
class Message:
    """What lies at one place of the stream; `hub` is as its subject says, and may be no hub.

    `at` is when the engine took it, in Unix seconds by the engine's clock; 0 where it is not known.
    """

    place: int
    hub: str
    data: bytes
    at: int = field(default=0, compare=False)


class RecordsEngine:
    """One connection to the engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = HubsEngine(engine)

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._engine.is_up

    async def connect(self) -> None:
        """Connect. Raise LinkError."""
        await self._engine.connect()

    async def close(self) -> None:
        """Close the connection."""
        await self._engine.close()

    async def listen(
        self, rings: Callable[[], None], heard_notice: Callable[[str, bytes], None]
    ) -> None:
        """Call `rings` at each message of records, `heard_notice` with a hub and a notice's bytes.

        Raise StoreError.
        """
        begins = len(names.NOTICES) + 1
        await self._engine.listen_to(ALL, lambda _subject, _data: rings())
        await self._engine.listen_to(
            f"{names.NOTICES}.*", lambda subject, data: heard_notice(subject[begins:], data)
        )

    async def newest(self) -> int:
        """Return the newest place of the stream, 0 for none. Raise LinkError, StoreError."""
        return await self._engine.last(names.RECORDS_STREAM, ALL)

    async def documents(self, bucket: str, keys: str, after: int) -> list[Said]:
        """Return the next documents of a bucket behind a place. Raise LinkError, StoreError."""
        found: list[Said] = []
        begins = f"$KV.{bucket}."
        place = after
        while len(found) < MESSAGES_AT_ONCE:
            said = await self._engine.next(place + 1, f"KV_{bucket}", f"{begins}{keys}")
            if said is None or said.seq is None:
                break
            place = said.seq
            key = (said.subject or "").removeprefix(begins)
            found.append(Said(place, key, said.data or b""))
        return found

    async def messages(self, after: int, up_to: int | None = None, hub: str = "*") -> list[Message]:
        """Return the next messages behind a place (law 3), of one hub or of all.

        `up_to` is the last place that is read, None for the end. Raise LinkError, StoreError.
        """
        found: list[Message] = []
        size = 0
        place = after
        while len(found) < MESSAGES_AT_ONCE and size < BYTES_AT_ONCE:
            said = await self._engine.next(place + 1, names.RECORDS_STREAM, f"{_BEGINS}{hub}")
            if said is None or said.seq is None or (up_to is not None and said.seq > up_to):
                break
            place = said.seq
            data = said.data or b""
            size += len(data)
            at = 0 if said.time is None else int(said.time.timestamp())
            found.append(Message(place, (said.subject or "").removeprefix(_BEGINS), data, at))
        return found
