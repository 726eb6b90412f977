"""Buckets of a real engine: what is swapped, and what is read whole."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from nats.js.kv import KeyValue

from hubgateway.engine.buckets import Buckets, Kept, read_all
from hubgateway.engine.trouble import MovedOnError
from tests.gateway.bench import Bench, running

pytestmark = pytest.mark.once

BUCKET = "some"


@pytest_asyncio.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with running(tmp_path) as one:
        yield one


async def test_a_value_is_swapped_only_after_the_revision_that_was_read(bench: Bench) -> None:
    before = time.time()
    buckets = Buckets(bench.js)
    await buckets.make(BUCKET, 1)
    await buckets.make(BUCKET, 1)  # it changes none that is there
    assert await buckets.at(BUCKET, "key") == (None, 0)
    first = await buckets.swap(BUCKET, "key", b"one", 0)
    assert await buckets.at(BUCKET, "key") == (b"one", first)
    with pytest.raises(MovedOnError):
        await buckets.swap(BUCKET, "key", b"two", 0)
    second = await buckets.swap(BUCKET, "key", b"two", first)
    with pytest.raises(MovedOnError):
        await buckets.swap(BUCKET, "key", None, first)
    gone = await buckets.swap(BUCKET, "key", None, second)
    assert await buckets.at(BUCKET, "key") == (None, gone)
    assert await buckets.get(BUCKET, "key") is None
    assert await buckets.snapshot(BUCKET) == {}
    await buckets.swap(BUCKET, "key", b"three", gone)
    await buckets.put(BUCKET, "other.key", b"four")
    assert await buckets.snapshot(BUCKET) == {"key": b"three", "other.key": b"four"}
    assert await buckets.snapshot(BUCKET, "other.*") == {"other.key": b"four"}
    dated = await buckets.dated(BUCKET)
    assert dated["key"].value == b"three"
    assert before - 1 < dated["key"].at <= dated["other.key"].at < time.time() + 1


async def test_a_mark_of_the_end_that_comes_too_early_ends_nothing() -> None:
    def entry(key: str, left: int, operation: str | None = None) -> KeyValue.Entry:
        return KeyValue.Entry(BUCKET, key, b"value", 1, left, None, operation)

    said = [None, entry("one", 3), None, entry("two", 2), entry("one", 1, "DEL"), entry("three", 0)]

    class Watcher:
        async def updates(self, **limits: float) -> KeyValue.Entry | None:
            assert limits["timeout"] > 0
            return said.pop(0)

    found = await read_all(cast("KeyValue.KeyWatcher", Watcher()))
    assert found == {"two": Kept(b"value", 0.0), "three": Kept(b"value", 0.0)}
