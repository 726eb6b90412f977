"""The hubs' engine, as this server uses it: policies go in, hubs' answers come out.

Laws:
1. Policies are put as `hubsite.hubs.putting` says.
2. Answers are read in their order from a place that is kept. What came while this server was down
   is read afterwards. An engine that began anew has smaller places: it is read from its beginning.
3. A connection that is lost is closed. Who uses it makes another one.
4. It reads without a consumer: whoever may make one has the engine deliver what lies there to any
   subject, also to `hub.commands.HUB`.
5. What this account may not there is told by its line: by the call that fails, and in the journal
   where nothing fails, once a connection: the engine then says nothing of what is not heard.
6. A close ends, also of a connection whose TLS failed: the client would wait for it for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import nats
import nats.errors
from nats.aio.msg import Msg
from nats.js import api
from nats.js import errors as refusals

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_hub import ActResult, OrderResult, PolicyResult, Result
from hubcore.backend.uplink.words import ActOutcome, OrderOutcome, ReleaseOutcome
from hubcore.errors import ConfigError, FrameError, LinkError, StoreError
from hubgateway.engine.account import speak_as
from hubgateway.engine.buckets import GONE, OPERATION, Buckets, Kept
from hubgateway.engine.rights import Who, missing
from hubgateway.engine.trouble import ANSWER_SECONDS, trouble, words
from hubgateway.engine.vouching import VouchedClient, vouched_by
from hubgateway.rules import names
from hubsite.config import Engine
from hubsite.pins.comparing import pin

_LOG = logging.getLogger("hubsite.engine")
ANSWERS_AT_ONCE = 256
"""So many are read before anything else has its turn."""
Heard = Callable[[str, bytes], None]


@dataclass(frozen=True, slots=True)
class HubAnswer:
    """What a hub said of a policy."""

    hub: str
    version: int
    refused: str


@dataclass(frozen=True, slots=True)
class OrderAnswer:
    """What a hub said of an order for doors, of a release, or of a command to one device."""

    hub: str
    message: bytes
    outcome: OrderOutcome | ReleaseOutcome | ActOutcome
    detail: str


HubSaid = HubAnswer | OrderAnswer


@dataclass(frozen=True, slots=True)
class Changed:
    """A key of a bucket, and what it has now, None for nothing."""

    key: str
    kept: Kept | None


class HubsEngine:
    """One connection to the engine."""

    def __init__(self, engine: Engine) -> None:
        self._servers = list(engine.servers)
        self._credentials = engine.credentials
        self._authority = engine.authority
        pins = partial(pin, section="engine", pins_of=lambda _host: engine.pins)
        self._pin = pins if engine.pins else None
        self._complaint = ""
        self._told: set[str] = set()  # one for each call of `listen_to`
        self._complained_at = 0.0
        self._is_place_compared = False
        self._client = VouchedClient()
        self._js = self._client.jetstream(timeout=ANSWER_SECONDS)
        self._buckets = Buckets(self._js)

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._client.is_connected

    async def connect(self) -> None:
        """Connect. Raise LinkError."""
        try:
            await self._client.connect(
                servers=self._servers,
                name="hubsite",
                allow_reconnect=False,
                max_reconnect_attempts=1,  # it takes 0 for ever
                reconnect_time_wait=0,
                connect_timeout=int(ANSWER_SECONDS),
                error_cb=self._complained,
                **speak_as(self._client, self._credentials),
                **vouched_by(self._authority, self._pin),
            )
        except (OSError, TimeoutError, nats.errors.Error, ConfigError) as error:
            raise LinkError(f"the engine at {' '.join(self._servers)}: {words(error)}") from error

    async def close(self) -> None:
        """Close the connection (law 6)."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._client.close(), ANSWER_SECONDS)

    async def highest_version(self) -> int:
        """Return the highest of these, 0 for none. Raise LinkError, StoreError."""
        return max(await self.versions(), default=0)

    async def versions(self) -> list[int]:
        """Return the versions of the policies that are there. Raise LinkError, StoreError."""
        subjects = f"$KV.{names.POLICY_BUCKET}.root.*"
        try:
            info = await self._js.stream_info(f"KV_{names.POLICY_BUCKET}", subjects)
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error
        begins = len(f"$KV.{names.POLICY_BUCKET}.")
        versions = [names.root_version(key[begins:]) for key in info.state.subjects or {}]
        return [version for version in versions if version is not None]

    async def put(self, key: str, value: bytes) -> int:
        """Write into the bucket of policies. Raise LinkError, StoreError."""
        return await self._buckets.put(names.POLICY_BUCKET, key, value)

    async def purge(self, below: int) -> None:
        """Take older policies out (`hubsite.hubs.putting`). Raise LinkError, StoreError."""
        began = time.monotonic()
        try:
            await self._js.purge_stream(f"KV_{names.POLICY_BUCKET}", seq=below)
        except (TimeoutError, nats.errors.Error) as error:
            raise self._trouble(error, began) from error

    async def hubs(self) -> frozenset[str]:
        """Return the hubs that are enrolled. Raise LinkError, StoreError."""
        found = set()
        place = 0
        keys = (f"KV_{names.KEYS_BUCKET}", f"$KV.{names.KEYS_BUCKET}.>")
        while (message := await self.next(place + 1, *keys)) is not None:
            place = message.seq or place + 1
            one = names.read_entry(message.data or b"")  # a key that was removed has no value
            if one is not None and one.standing is not names.Standing.REVOKED:
                found.add(one.hub)
        return frozenset(found)

    async def certificates(self) -> dict[str, bytes]:
        """Return each hub's newest certificate as it lies there, unproven.

        Raise LinkError, StoreError.
        """
        found = {}
        place = 0
        begins = f"$KV.{names.CERTIFICATES_BUCKET}."
        where = (f"KV_{names.CERTIFICATES_BUCKET}", f"{begins}>")
        while (message := await self.next(place + 1, *where)) is not None:
            place = message.seq or place + 1
            found[(message.subject or "").removeprefix(begins)] = message.data or b""
        return found

    async def order(self, hub: str, message: bytes, said: bytes) -> None:
        """Tell a hub something, by the id of that message; return once the engine has it.

        The account must have `hub.commands.*`. Raise LinkError, StoreError: it may have gone.
        """
        headers = {str(api.Header.MSG_ID.value): message.hex()}
        began = time.monotonic()
        try:
            await self._js.publish(names.subject(names.COMMANDS, hub), said, headers=headers)
        except (TimeoutError, nats.errors.Error) as error:
            raise self._trouble(error, began) from error

    async def listen(self, heard: Callable[[], None]) -> None:
        """Call this whenever a hub has answered something. Raise StoreError."""
        await self.listen_to(f"{names.RESULTS}.*", lambda _subject, _data: heard())

    async def listen_to(self, subjects: str, heard: Heard) -> None:
        """Call this with the subject and the bytes of each message. Raise StoreError."""

        async def came(message: Msg) -> None:
            heard(message.subject, message.data)

        try:
            await self._client.subscribe(subjects, cb=came)
        except nats.errors.Error as error:
            raise trouble(error) from error

    async def changes(self, bucket: str, after: int) -> tuple[list[Changed], int]:
        """Read what was written into a bucket behind a place, and how far that was.

        At most ANSWERS_AT_ONCE are read. Raise LinkError, StoreError.
        """
        found = []
        place = after
        begins = f"$KV.{bucket}."
        for _ in range(ANSWERS_AT_ONCE):
            message = await self.next(place + 1, f"KV_{bucket}", f"{begins}>")
            if message is None or message.seq is None:
                break
            place = message.seq
            key = (message.subject or "").removeprefix(begins)
            is_gone = (message.headers or {}).get(OPERATION, "") in GONE
            at = message.time.timestamp() if message.time else 0.0
            found.append(Changed(key, None if is_gone else Kept(message.data or b"", at)))
        return found, place

    async def answers(self, after: int) -> tuple[list[HubSaid], int]:
        """Read the next answers behind a place; return those of `HubSaid`, and how far it read.

        At most ANSWERS_AT_ONCE are read (law 2). Raise LinkError, StoreError.
        """
        found: list[HubSaid] = []
        place = await self._place_here(after)
        for _ in range(ANSWERS_AT_ONCE):
            message = await self.next(place + 1, names.RESULTS_STREAM, f"{names.RESULTS}.*")
            if message is None or message.seq is None:
                break
            place = message.seq
            answer = _answer(message)
            if answer is not None:
                found.append(answer)
        return found, place

    async def _place_here(self, kept: int) -> int:
        """Return where to read on, once a connection behind a place that was kept (law 2)."""
        if not self._is_place_compared:
            self._is_place_compared = True
            if await self.last(names.RESULTS_STREAM, f"{names.RESULTS}.*") < kept:
                return 0
        return kept

    async def _complained(self, error: Exception) -> None:
        """Keep what the engine says beside its answers (law 5)."""
        self._complaint = missing(str(error), Who.SERVER) or str(error)
        if "subscription" in str(error) and self._complaint not in self._told:
            self._told.add(self._complaint)
            _LOG.warning("%s", self._complaint)
        self._complained_at = time.monotonic()

    async def last(self, stream: str, subjects: str) -> int:
        """Return the place of the newest message, 0 for none. Raise LinkError, StoreError."""
        try:
            return (await self._js.get_last_msg(stream, subjects)).seq or 0
        except refusals.NotFoundError:
            return 0
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error

    async def next(self, place: int, stream: str, subjects: str) -> api.RawStreamMsg | None:
        """Return the first message at this place or behind it, None where there is none.

        Raise LinkError, StoreError.
        """
        began = time.monotonic()
        try:
            return await self._js.get_msg(stream, place, subjects, next=True)
        except refusals.NotFoundError:
            return None
        except (TimeoutError, nats.errors.Error) as error:
            raise self._trouble(error, began) from error

    def _trouble(self, error: Exception, began: float) -> StoreError | LinkError:
        """Return what a failure means: what the account may not, the engine says apart.

        `began`: when what failed was begun; other calls go on at the same time.
        """
        if self._complaint and self._complained_at >= began:
            return StoreError(f"the engine refuses: {self._complaint}")
        return trouble(error)


def _answer(message: api.RawStreamMsg) -> HubSaid | None:
    """Return what a hub said of a policy or an order; None for any other message."""
    hub = (message.subject or "").removeprefix(f"{names.RESULTS}.")
    if not names.HUB_ID.fullmatch(hub):
        return None
    try:
        said = codec.decode_from_hub(message.data or b"")
    except FrameError:
        return None
    match said:
        case PolicyResult(version, refused):
            return HubAnswer(hub, version, refused)
        case OrderResult(message_id, outcome, detail):
            return OrderAnswer(hub, message_id, outcome, detail)
        case Result(message_id, released, detail):
            return OrderAnswer(hub, message_id, released, detail)
        case ActResult(message_id, (), detail):  # nothing was done
            return OrderAnswer(hub, message_id, ActOutcome.REFUSED, detail)
        case ActResult(message_id, ((_, outcome), *_), detail):
            return OrderAnswer(hub, message_id, outcome, detail)
    return None
