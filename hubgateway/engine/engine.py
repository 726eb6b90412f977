"""NATS JetStream, as the gateway uses it: streams of records, results and commands.

Laws:
1. `append` returns only when the engine has acknowledged; with `sync_interval: always` that is its
   disk (config/nats.conf).
2. A record goes in only after the very message that was the hub's newest. The engine's window of
   duplicates decides nothing.
3. After every reconnection `generation` is another one: what was known of the engine is read again.
   So it is once the engine itself has not answered, whoever is connected (`watch`).
4. An engine whose certificate is not believed is told once, and tried again. A right that the
   account lacks is told once a connection, by its line (`Complaints`).
5. What the engine refuses is a StoreError with the engine's cause; what it does not answer a
   LinkError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext, api
from nats.js import errors as refusals

from hubcore.backend.uplink import codec, from_hub
from hubcore.errors import ConfigError, LinkError, StoreError
from hubcore.evidence.records import Head, StoredRecord
from hubgateway.engine.account import speak_as
from hubgateway.engine.archive import Archive
from hubgateway.engine.buckets import AFTER, WRONG_LAST, Buckets
from hubgateway.engine.rights import Who
from hubgateway.engine.trouble import (
    ANSWER_SECONDS,
    JUNK,
    Complaints,
    MovedOnError,
    complain,
    trouble,
    words,
)
from hubgateway.engine.vouching import VouchedClient, vouched_by
from hubgateway.rules import chain, names

COMMANDS_KEPT_SECONDS = 30 * 86_400
PULSE_SECONDS = 2.0

Listener = Callable[[Msg], Awaitable[None]]


class Engine:
    """A connection to the engine at `servers`; `credentials` is a file, "" for none.

    `authority` is the file of who vouches for it, "" for those whom this system believes; `who`
    has the account.
    """

    def __init__(
        self,
        servers: Sequence[str],
        credentials: str,
        replicas: int,
        authority: str = "",
        who: Who = Who.GATEWAY,
    ) -> None:
        self._servers = list(servers)
        self._credentials = credentials
        self._authority = authority
        self._replicas = replicas
        self._client = VouchedClient()
        self._js: JetStreamContext = self._client.jetstream(timeout=ANSWER_SECONDS)
        self.buckets = Buckets(self._js)
        self.archive = Archive(self._js)
        self.generation = 0
        self._answers = True
        self._closing = False
        self._complaints = Complaints(who)

    @property
    def is_up(self) -> bool:
        """Whether the engine is connected, and answered when it was asked last (`watch`)."""
        return self._client.is_connected and self._answers

    async def connect(self, retries: int = -1) -> None:
        """Connect, and make what is missing. Raise ConfigError for what must be mended by hand.

        `retries`: how often one that fails or is lost is tried again, -1 for ever. The library
        takes 0 for ever, too: that is a ValueError. Raise LinkError.
        """
        if retries == 0:
            raise ValueError("retries")
        try:
            await self._client.connect(
                servers=self._servers,
                name="hubgateway",
                max_reconnect_attempts=retries,
                reconnect_time_wait=1,
                connect_timeout=int(ANSWER_SECONDS),
                error_cb=self._complaints.heard,
                disconnected_cb=self._on_lost,
                reconnected_cb=self._on_back,
                **speak_as(self._client, self._credentials),
                **vouched_by(self._authority),
            )
            await self._make_streams()
            await self._make_buckets()
        except (OSError, TimeoutError, nats.errors.Error) as error:
            why = words(self._complaints.cause(error))
            raise LinkError(f"the engine at {' '.join(self._servers)}: {why}") from error

    async def watch(self, pause_seconds: float = PULSE_SECONDS) -> None:
        """Ask the engine itself, again and again, until cancelled.

        A server that is connected may be a leaf that is not, and a network may swallow all. What is
        told meanwhile is missed. Where an answer comes just as this is cancelled, the library
        returns the answer.
        """
        task = asyncio.current_task()
        while task is None or not task.cancelling():
            await asyncio.sleep(pause_seconds)
            if not self._client.is_connected:
                continue
            try:
                await self._js.stream_info(names.RECORDS_STREAM)
            except (TimeoutError, nats.errors.Error, *JUNK) as error:
                if self._answers:
                    self._answers = False
                    self.generation += 1
                    complain(f"the engine does not answer: {words(error)}")
            else:
                if not self._answers:
                    complain("the engine answers again")
                self._answers = True

    async def close(self) -> None:
        """Close the connection."""
        self._closing = True
        await self._client.close()

    async def _make_streams(self) -> None:
        for name, subjects, kept in (
            (names.RECORDS_STREAM, f"{names.RECORDS}.*", None),
            (names.REPLACED_STREAM, f"{names.REPLACED}.*.*", None),
            (names.COMMANDS_STREAM, f"{names.COMMANDS}.*", COMMANDS_KEPT_SECONDS),
            (names.RESULTS_STREAM, f"{names.RESULTS}.*", COMMANDS_KEPT_SECONDS),
        ):
            try:
                found = await self._js.stream_info(name)
            except refusals.NotFoundError:
                config = api.StreamConfig(
                    name=name,
                    subjects=[subjects],
                    retention=api.RetentionPolicy.LIMITS,
                    storage=api.StorageType.FILE,
                    discard=api.DiscardPolicy.OLD if kept else api.DiscardPolicy.NEW,
                    max_age=kept or 0,
                    num_replicas=self._replicas,
                    deny_delete=kept is None,
                )
                await self._js.add_stream(config)
            else:
                if kept is None:
                    _check_records(name, found.config)

    async def _make_buckets(self) -> None:
        for bucket in names.BUCKETS:
            await self.buckets.make(bucket, self._replicas)

    # Records.

    async def known(self, hub: str) -> chain.Known:
        """Read what is held of a hub: its newest message. Raise StoreError, LinkError."""
        subject = names.subject(names.RECORDS, hub)
        try:
            message = await self._js.get_last_msg(names.RECORDS_STREAM, subject)
        except refusals.NotFoundError:
            return chain.Known()
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error
        records = _records_in(message)
        newest = records[-1]
        hashes = {one.number: one.hash for one in records}
        return chain.Known(Head(newest.number, newest.hash), message.seq or 0, hashes)

    async def look_back(self, hub: str, numbers: Iterable[int], place: int) -> dict[int, bytes]:
        """Return the hashes of these records, and of others, as far as they lie before `place`.

        `place` is that of the hub's newest message. Raise StoreError, LinkError.
        """
        found: dict[int, bytes] = {}
        low = 1
        for number in sorted(numbers):
            if number not in found:
                batch, at = await self._find(hub, number, low, place)
                found.update({one.number: one.hash for one in batch})
                low = max(low, at)
        return found

    async def _find(
        self, hub: str, number: int, low: int, high: int
    ) -> tuple[list[StoredRecord], int]:
        """Find the message that holds a record, and its place; none when it is not there.

        Both a hub's numbers and the engine's places only rise, so half of them are left out at a
        time. The very next message is looked at first: records are asked for in order.
        """
        middle = low
        while low <= high:
            message = await self._next(hub, middle)
            records = _records_in(message)
            at = message.seq or middle
            if records[0].number <= number <= records[-1].number:
                return records, at
            if number < records[0].number:
                high = middle - 1
            else:
                low = at + 1
            middle = (low + high) // 2
        return [], low

    async def _next(self, hub: str, place: int) -> api.RawStreamMsg:
        """Return the hub's first message at this place or behind it."""
        subject = names.subject(names.RECORDS, hub)
        try:
            return await self._js.get_msg(names.RECORDS_STREAM, place, subject, next=True)
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error

    async def append(self, hub: str, known: chain.Known, records: list[StoredRecord]) -> int:
        """Keep records as the successors of what is known; return where they lie.

        Raise MovedOnError when the chain has moved on, StoreError, LinkError.
        """
        try:
            kept = await self._js.publish(
                names.subject(names.RECORDS, hub),
                chain.write_batch(records),
                timeout=ANSWER_SECONDS,
                headers={AFTER: str(known.place)},
            )
        except refusals.APIError as error:
            if error.err_code in WRONG_LAST:
                raise MovedOnError(f"the chain of {hub} has moved on") from error
            raise trouble(error) from error
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error
        return kept.seq

    # What is published.

    async def listen(self, subject: str, listener: Listener) -> None:
        """Hear what is published on a subject from now on, also after a reconnection."""
        await self._client.subscribe(subject, cb=listener)

    async def tell(self, subject: str, data: bytes) -> None:
        """Publish without an answer; lost when the engine is away."""
        if not self._client.is_connected:
            return
        try:
            await self._client.publish(subject, data)
        except nats.errors.Error as error:
            raise trouble(error) from error

    async def keep_result(self, hub: str, answer: from_hub.HubMessage) -> None:
        """Keep a hub's answer. Raise StoreError, LinkError."""
        data = codec.encode(answer)
        try:
            await self._js.publish(names.subject(names.RESULTS, hub), data, timeout=ANSWER_SECONDS)
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error

    # What the connection tells.

    async def _on_lost(self) -> None:
        self.generation += 1
        if not self._closing:
            complain("engine: the connection is lost; nothing is acknowledged until it is back")

    async def _on_back(self) -> None:
        self.generation += 1
        self._complaints.forget()
        complain("engine: connected again")


def _records_in(message: api.RawStreamMsg) -> list[StoredRecord]:
    """Return the records of a message. Raise StoreError for one that no gateway has written."""
    try:
        return chain.read_batch(message.data or b"")
    except StoreError as error:
        raise StoreError(
            f"message {message.seq} of {names.RECORDS_STREAM}: {error}; somebody else may write "
            "there (docs/backend.md, A stray message)"
        ) from error


def _check_records(name: str, config: api.StreamConfig) -> None:
    """Raise ConfigError for a stream that may lose what it has acknowledged."""
    right = (
        config.retention == api.RetentionPolicy.LIMITS
        and config.discard == api.DiscardPolicy.NEW
        and config.storage == api.StorageType.FILE
        and not config.max_age
        and (config.max_msgs_per_subject or -1) < 0
    )
    if not right:
        raise ConfigError(
            f"hubgateway: the stream {name} may drop records: it must have "
            "retention limits, storage file, discard new, no max_age and no max_msgs_per_subject"
        )
