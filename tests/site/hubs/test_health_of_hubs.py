"""What hubs find wrong with themselves, from a real engine's bucket to the pages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.health import (
    COUNT_MAX,
    HealthState,
    Trouble,
    TroubleSeverity,
)
from hubcore.checks import CheckId
from hubcore.codec import cbor
from hubcore.errors import StoreError
from hubgateway.engine.buckets import Kept
from hubgateway.rules import names
from hubsite.fleet.judging import Judge
from hubsite.fleet.models import WRONG_BYTES
from hubsite.fleet.reading import Reading
from hubsite.fleet.said.troubles import ALL_WELL, SILENT, UNREADABLE, ShownHealth, health
from hubsite.hubs.engine import Changed
from tests.site.fleetbench import ISSUER, fleet
from tests.unit.test_uplink_messages import FULL, WELL

pytestmark = pytest.mark.once

JUDGE = Judge("acme", ISSUER.verify_key, None)
BUCKET = names.HEALTH_BUCKET
SAID_AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def trouble(code: str, age_seconds: int = 3600, *parts: str, more: int = 0) -> Trouble:
    return Trouble(code, TroubleSeverity.ERROR, age_seconds, parts, more)


def said(*troubles: Trouble, more: int = 0) -> bytes:
    return codec.encode(HealthState(troubles, more))


def shown(value: bytes, is_here: bool | None = True, at: datetime | None = SAID_AT) -> ShownHealth:
    return health(value, at, is_here)


async def test_pages_say_what_a_hub_finds_wrong_and_that_it_is_mended(tmp_path: Path) -> None:
    async with fleet(tmp_path) as site:
        await site.known("front-1", "yard-1")
        await site.enrol("front-1", 1)
        await site.enrol("yard-1", 2)
        await site.shows("/hubs/of/front-1", "Nothing is here of what it finds wrong with itself")
        await site.bench.client.publish(names.PRESENT, cbor.encode(["front-1"]))
        await site.shows("/hubs/of/front-1", "connected")
        await site.buckets.put(BUCKET, "front-1", said(trouble("radio-down"), trouble("x")))
        front = await site.shows("/hubs/of/front-1", "Its radio is down: no phone reaches it.")
        assert "bluetoothctl list" in front
        assert "does not know: x." in front
        assert "last word" not in front
        assert "Nothing that this server sees" not in front
        for page in ("/", "/hubs"):
            text = await site.text(page)
            assert "Its radio is down: no phone reaches it. 1 more on its page." in text
        await site.buckets.put(BUCKET, "yard-1", said(trouble("locks-weak", 60, "gate-1", more=2)))
        yard = await site.shows("/hubs/of/yard-1", "gate-1, 2 more")
        assert "That is its last word" in yard, "no gateway has named it"

        await site.buckets.put(BUCKET, "front-1", said())
        await site.shows("/hubs/of/front-1", ALL_WELL, without="radio is down")
        assert "radio is down" not in await site.text("/")


async def test_junk_of_a_hub_is_told_and_hides_no_other_hub(tmp_path: Path) -> None:
    async with fleet(tmp_path) as site:
        await site.known("front-1", "yard-1")
        await site.enrol("front-1", 1)
        await site.enrol("yard-1", 2)
        await site.buckets.put(BUCKET, "front-1", b"\xff<script>alert(1)</script>")
        await site.buckets.put(BUCKET, "nobody-9", said(trouble("radio-down")))
        await site.buckets.put(BUCKET, "yard-1", codec.encode(FULL))
        yard = await site.shows("/hubs/of/yard-1", f"{COUNT_MAX} more found no room")
        assert yard.count("Something that this server does not know") == len(FULL.troubles)
        await site.shows("/hubs/of/front-1", "What it tells of itself cannot be read")
        home = await site.text("/")
        assert home.count("does not know") == 1, "one hub does not fill the first page"
        assert "nobody-9" not in home


class Refusing:
    """An engine that does not let this account read one bucket; the others are empty."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.asked: list[str] = []

    async def changes(self, bucket: str, place: int) -> tuple[list[Changed], int]:
        self.asked.append(bucket)
        if bucket == self.bucket:
            raise StoreError("permissions violation")
        return [], place


async def test_an_account_of_before_reads_all_else() -> None:
    """reading, law 3"""
    engine = Refusing(BUCKET)
    reading = Reading(JUDGE)
    for _ in range(2):
        await reading.news(engine)  # type: ignore[arg-type]
    assert reading.refused == {BUCKET: "permissions violation"}
    assert engine.asked.count(BUCKET) == 1, "it is asked once a reading"
    with pytest.raises(StoreError):
        await Reading(JUDGE).news(Refusing(names.STOPS_BUCKET))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"", SILENT),
        (b"\xff", UNREADABLE),
        (said(trouble("radio-down")) + b"\x00", UNREADABLE),
        (cbor.encode([35, [["radio-down", 1, 7, [], 0]] * 10_000, 0]), UNREADABLE),
        (cbor.encode([35, [["<script>", 1, 7, [], 0]], 0]), UNREADABLE),
        (codec.encode(WELL)[:-1], UNREADABLE),
    ],
)
def test_what_a_hub_has_not_told_is_told_as_that(value: bytes, sentence: str) -> None:
    """troubles, law 2; judging, law 3"""
    kept = {BUCKET: Kept(value, 1.0)} if value else {}
    judged = JUDGE.health("front-1", kept)
    assert len(judged.wrong) <= WRONG_BYTES
    found = shown(judged.wrong, at=judged.wrong_at)
    assert (found.said, found.troubles) == (sentence, ())
    assert found.short == ""


def test_it_says_of_when_the_word_is_and_of_an_away_hub_that_it_is_the_last() -> None:
    """troubles, laws 1 and 4"""
    value = said(trouble("strikes-down", 7200))
    at = f"{timezone.localtime(SAID_AT):%Y-%m-%d %H:%M}"
    since = f"{timezone.localtime(SAID_AT - timedelta(hours=2)):%Y-%m-%d %H:%M}"
    here = shown(value)
    assert here.said.endswith(f"at {at}.")
    assert here.troubles[0].since == since
    assert "away" in shown(value, is_here=False).said
    assert "nobody knows" in shown(value, is_here=None).said
    assert shown(codec.encode(WELL)).said.startswith(ALL_WELL)


@drawing(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([str(check) for check in CheckId])
            | st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True),
            st.integers(0, COUNT_MAX),
            st.lists(st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True), max_size=2),
            st.integers(0, COUNT_MAX),
        ),
        max_size=32,
    ),
    st.integers(0, COUNT_MAX),
    st.sampled_from([0.0, 1.0, 1_795_305_600.0, 253_402_300_000.0]),
)
def test_each_trouble_has_its_sentences_at_any_moment_of_any_clock(
    rows: list[tuple[str, int, list[str], int]], more: int, at: float
) -> None:
    """troubles, laws 3 to 5: clocks of 1970, and of the year 9999"""
    value = said(*(trouble(code, age, *parts, more=n) for code, age, parts, n in rows), more=more)
    found = shown(value, at=datetime.fromtimestamp(at, UTC))
    assert found.said not in (SILENT, UNREADABLE)
    assert found.more == more
    assert len(found.troubles) == len(rows)
    for (code, _, parts, _), one in zip(rows, found.troubles, strict=True):
        assert one.what
        assert one.remedy
        assert one.since
        assert code in set(CheckId) or code in one.what
        assert code != "locks-weak" or all(part in one.what for part in parts)
    assert bool(found.short) is bool(rows)


@drawing(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_raise_anything(value: bytes) -> None:
    """troubles, law 5"""
    assert shown(value).said
