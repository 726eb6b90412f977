"""The engine's buckets: read, written, and changed only if nobody else has written meanwhile.

Laws:
1. `swap` writes a value only after the very revision that `at` has told.
2. `at` asks the leader of the bucket, so it never tells an older value than was acknowledged.
3. `snapshot` tells everything, or fails: it never takes the beginning for the whole.
4. What the engine refuses is a StoreError, what it does not answer a LinkError.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import nats.errors
from nats.js import JetStreamContext, api
from nats.js import errors as refusals
from nats.js.kv import KeyValue

from hubgateway.engine.trouble import ANSWER_SECONDS, MovedOnError, trouble

AFTER = "Nats-Expected-Last-Subject-Sequence"
OPERATION = "KV-Operation"
GONE = ("DEL", "PURGE")
WRONG_LAST = (10071, 10164)
UNREAD_SECONDS = 30.0
"""Then the engine forgets a reader that has gone."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A value, and when the engine took it, in Unix seconds by its own clock."""

    value: bytes
    at: float


class Table(Protocol):
    """Buckets of an engine: what changes them safely asks for this much."""

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        """Read a value and its revision."""

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        """Write a value after this revision. Raise MovedOnError when there is a newer one."""

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        """Read the values of a bucket whose keys fit."""


class Buckets:
    """All buckets of one engine."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def make(self, bucket: str, replicas: int) -> None:
        """Make a bucket that is missing. Raise what the engine's client raises."""
        try:
            await self._js.key_value(bucket)
        except refusals.BucketNotFoundError:
            await self._js.create_key_value(api.KeyValueConfig(bucket=bucket, replicas=replicas))

    async def put(self, bucket: str, key: str, value: bytes) -> int:
        """Write a value; return its revision. Raise StoreError, LinkError."""
        try:
            table = await self._js.key_value(bucket)
            return await table.put(key, value)
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error

    async def get(self, bucket: str, key: str) -> bytes | None:
        """Read a value, None when there is none. Raise StoreError, LinkError."""
        try:
            table = await self._js.key_value(bucket)
            return (await table.get(key)).value
        except refusals.KeyNotFoundError:
            return None
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        """Read the values of a bucket whose keys fit. Raise StoreError, LinkError."""
        found = await self.dated(bucket, wanted)
        return {key: kept.value for key, kept in found.items()}

    async def dated(self, bucket: str, wanted: str = ">") -> dict[str, Kept]:
        """Read the same with the moments. Raise StoreError, LinkError."""
        try:
            subjects = _subject(bucket, wanted)
            info = await self._js.stream_info(f"KV_{bucket}", subjects_filter=subjects)
            if not info.state.subjects:
                return {}
            table = await self._js.key_value(bucket)
            try:
                return await _read(table, wanted)
            except TimeoutError:  # its last entry was taken out meanwhile: then it never comes
                return await _read(table, wanted)
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error

    async def at(self, bucket: str, key: str) -> tuple[bytes | None, int]:
        """Read a value, None when there is none, and its revision. Raise StoreError, LinkError."""
        try:
            message = await self._js.get_msg(f"KV_{bucket}", subject=_subject(bucket, key))
        except refusals.NotFoundError:
            return None, 0
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error
        is_gone = (message.headers or {}).get(OPERATION, "") in GONE
        return (None if is_gone else message.data or b""), message.seq or 0

    async def swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> int:
        """Write a value, or remove it, after this revision; return its own.

        Raise MovedOnError when there is a newer one, StoreError, LinkError.
        """
        headers = {AFTER: str(revision)}
        if value is None:
            headers[OPERATION] = GONE[0]
        try:
            kept = await self._js.publish(
                _subject(bucket, key), value or b"", timeout=ANSWER_SECONDS, headers=headers
            )
        except refusals.APIError as error:
            if error.err_code in WRONG_LAST:
                raise MovedOnError(f"{key} in {bucket} has another value by now") from error
            raise trouble(error) from error
        except (TimeoutError, nats.errors.Error) as error:
            raise trouble(error) from error
        return kept.seq


def _subject(bucket: str, key: str) -> str:
    return f"$KV.{bucket}.{key}"


async def _read(table: KeyValue, wanted: str) -> dict[str, Kept]:
    watcher = await table.watch(wanted, inactive_threshold=UNREAD_SECONDS)
    try:
        return await read_all(watcher)
    finally:
        await watcher.stop()  # type: ignore[no-untyped-call]


async def read_all(watcher: KeyValue.KeyWatcher) -> dict[str, Kept]:
    """Read to the entry that has none behind it.

    The watcher's own mark of the end is no sign: it may come before the first entry.
    """
    found: dict[str, Kept] = {}
    while True:
        entry = await watcher.updates(timeout=ANSWER_SECONDS)  # type: ignore[no-untyped-call]
        if entry is None:
            continue
        if entry.operation in GONE:
            found.pop(entry.key, None)
        else:
            found[entry.key] = Kept(entry.value or b"", _seconds(entry.created))
        if entry.delta == 0:
            return found


def _seconds(created: object) -> float:
    """Return a moment that the client's types call a number, and its code makes a datetime."""
    return created.timestamp() if isinstance(created, datetime) else 0.0
