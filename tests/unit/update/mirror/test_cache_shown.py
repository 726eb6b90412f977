"""Whether a site's cache is fresh: `hubctl update cache`, doctor, and `hubctl --site status`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given
from hypothesis import strategies as st

from hubcore.errors import ExpiredError, HubError, LinkError, StoreError, TrustError
from hubcore.update.running.board import CACHE_LATE_SECONDS, CACHE_VARIABLE
from hubctl.main import hubctl
from hubctl.updating.board import LINK_SECONDS
from hubctl.updating.cache import SOON_SECONDS, cache_page, cache_troubles, troubles_of_file
from hubterm import exits
from hubupdate.mirror.board import CacheBoard
from hubupdate.mirror.mirror import Mirrored

NOW = 1_795_000_000.0
WEEK = 7 * 86_400.0
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    ["at", "said", "error", "failing_since", "fresh_at", "lists_end", "plans", "images"]
)


class Cache:
    """A board that the real program writes, at the moments it is told."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.board = CacheBoard(file)

    def fresh(self, at: float = NOW) -> None:
        self.board.fresh(Mirrored(2, 3, 4), at + WEEK, at)

    def ids(self, now: float) -> list[str]:
        found = troubles_of_file(self.file, now)
        assert found is not None
        return [one.id for one in found]

    def shown(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.file.read_text())
        return document


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "status.json")


def typed(cache: Cache, *words: str) -> Result:
    return CliRunner().invoke(hubctl, list(words), env={CACHE_VARIABLE: str(cache.file)})


def test_a_fresh_cache_needs_nobody(cache: Cache) -> None:
    cache.fresh()
    assert cache.ids(NOW + 900) == []
    page = cache_page(cache.shown(), NOW).plain()
    assert "2 plans, 3 images" in page


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (TrustError("forged"), "cache-trust"),
        (StoreError("full"), "cache-store"),
        (ExpiredError("ended"), "cache-expired"),
        (HubError("odd"), "cache-failing"),
    ],
)
def test_a_look_that_came_to_nothing_is_told(cache: Cache, error: HubError, says: str) -> None:
    cache.fresh()
    cache.board.failed(error, NOW + 900)
    assert cache.ids(NOW + 900) == [says]
    cache.fresh(NOW + 1800)
    assert cache.ids(NOW + 1800) == []


def test_a_line_that_is_away_is_told_after_a_day_and_since_when_outlasts_the_program(
    cache: Cache,
) -> None:
    cache.fresh()
    began = NOW + 900
    for at in (began, began + 900, began + LINK_SECONDS - 1):
        CacheBoard(cache.file).failed(LinkError("away"), at)  # each look is another program
        assert cache.ids(at) == []
    CacheBoard(cache.file).failed(LinkError("away"), began + LINK_SECONDS)
    assert cache.ids(began + LINK_SECONDS) == ["cache-link"]
    assert cache.shown()["failing_since"] == began
    assert cache.shown()["fresh_at"] == NOW, "what it gives out is as old as this"
    assert cache.shown()["lists_end"] == NOW + WEEK


def test_lists_that_end_are_told_before_and_after(cache: Cache) -> None:
    cache.fresh()
    ends = NOW + WEEK
    for at, ids in (
        (ends - SOON_SECONDS - 1, []),
        (ends - SOON_SECONDS, ["cache-ending"]),
        (ends, ["cache-old", "cache-link"]),
    ):
        cache.board.failed(LinkError("away"), NOW if not ids else at - 1)
        board = {**cache.shown(), "at": at, "failing_since": NOW if at == ends else at}
        assert [one.id for one in cache_troubles(board, at)] == ids


def test_a_cache_that_looks_no_more_is_told(cache: Cache) -> None:
    cache.fresh()
    assert cache.ids(NOW + CACHE_LATE_SECONDS) == []
    assert cache.ids(NOW + CACHE_LATE_SECONDS + 1) == ["cache-stopped"]


def test_a_machine_without_a_cache_has_no_check_and_is_told_how(cache: Cache) -> None:
    assert troubles_of_file(cache.file, NOW) is None
    done = typed(cache, "update", "cache")
    assert done.exit_code == exits.NO_ANSWER
    assert "docs/updates.md" in done.output


def test_a_board_before_that_is_junk_stops_no_look(cache: Cache) -> None:
    for junk in (b"junk", b"[]", b"[" * 60_000, b"\xff"):
        cache.file.write_bytes(junk)
        assert cache.ids(NOW) == ["cache-unreadable"]
        cache.board.failed(LinkError("away"), NOW)
        assert cache.shown()["failing_since"] == NOW


def test_a_board_that_cannot_be_written_stops_no_look(tmp_path: Path) -> None:
    CacheBoard(tmp_path / "none" / "status.json").failed(LinkError("away"), NOW)


def test_everybody_may_read_it(cache: Cache) -> None:
    before = os.umask(0o077)
    try:
        cache.fresh()
    finally:
        os.umask(before)
    assert cache.file.stat().st_mode & 0o777 == 0o644


def test_the_doctor_has_its_checks_on_such_a_machine_alone(cache: Cache) -> None:
    def ids() -> dict[str, str]:
        words = ("doctor", "--json", "--socket", str(cache.file.parent / "none"))
        checks = json.loads(typed(cache, *words).stdout)["checks"]
        return {one["id"]: one["state"] for one in checks if one["id"].startswith("cache")}

    assert ids() == {}
    cache.fresh(1.0)
    assert ids() == {"cache-stopped": "warning", "cache-old": "failed"}


@given(st.dictionaries(KEYS, JSON, max_size=8))
@example({"at": 10**400, "plans": 10**400, "lists_end": 10**400})
@example({"at": NOW, "error": "link", "failing_since": -(10**400), "lists_end": -(10**400)})
def test_whatever_is_shown_is_told_without_an_error(document: dict[str, Any]) -> None:
    for line in cache_page(document, NOW).plain().split("\n"):
        assert line.isprintable()
