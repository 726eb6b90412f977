"""What a hub would do with what is published: asked as the hub asks, and told in sentences.

Law: the answer comes from the hub's own rules and its own proof (`hubupdate.trust`), over the
published folder and from the first roots on. Nothing of the publisher's keys is used.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from hubcore.calendar.schedule import WallTime
from hubcore.errors import StoreError
from hubcore.update.belief import Belief
from hubcore.update.director import Word, bucket_of, may_fetch, may_switch
from hubcore.update.plan import Plan
from hubterm.files import read_ordinary
from hubupdate.fetcher import CarrierFetcher
from hubupdate.folder import Folder
from hubupdate.trust import METADATA_BYTES_MAX, Repository, Trust

AHEAD_DAYS = 14
_MINUTE = 60
_HUNDREDTHS = 100


def published_plan(carrier: Path, channel: str) -> Plan | None:
    """Return the plan that a new hub finds in the folder. Raise TrustError, LinkError."""
    roots = {which: _first_root(carrier, which) for which in Repository}
    with tempfile.TemporaryDirectory(prefix="hubupdate-explain.") as kept:
        fetcher = CarrierFetcher(Folder(carrier), time.monotonic)
        return Trust(Path(kept), roots, fetcher).plan_of(channel, Belief.GOOD)


def explain(plan: Plan, hub: str, at: float, zone: tzinfo) -> Iterator[str]:
    """Yield what the plan means for a hub at `at` (Unix seconds)."""
    yield f"image: {plan.image.name}, version {plan.image.version}, {plan.image.size} bytes"
    bucket = bucket_of(hub, plan.image.digest)
    yield f"{hub}: bucket {bucket / _HUNDREDTHS:.2f} of 100"
    if hub in plan.canaries:
        yield "it is a canary: it waits for no stage"
    else:
        stage = next((one for one in plan.stages if bucket < one.share), None)
        yield "no stage has it" if stage is None else f"its stage begins {_utc(stage.begins)}"
    yield f"area: {', '.join(sorted(plan.area_of(hub)))}"
    yield f"at {_utc(at)} it may fetch: {_word(may_fetch(plan, hub, at))}"
    yield f"at {_utc(at)} it may switch: {_word(may_switch(plan, hub, at, WallTime.at(at, zone)))}"
    moment = next_switch(plan, hub, at, zone)
    if moment is None:
        yield f"within {AHEAD_DAYS} days it may not switch"
    else:
        local = datetime.fromtimestamp(moment, zone)
        yield f"it may switch first at {_utc(moment)} ({local:%a %H:%M} at the door)"


def next_switch(plan: Plan, hub: str, at: float, zone: tzinfo) -> float | None:
    """Return the first moment from `at` on at which the hub may switch, to the minute."""
    for minute in range(AHEAD_DAYS * 24 * 60):
        moment = at if not minute else (at // _MINUTE + minute) * _MINUTE
        if may_switch(plan, hub, moment, WallTime.at(moment, zone)) is Word.GO:
            return moment
    return None


def _first_root(carrier: Path, which: Repository) -> bytes:
    path = carrier / which / "metadata" / "1.root.json"
    try:
        return read_ordinary(path, METADATA_BYTES_MAX)
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def _word(word: Word) -> str:
    return "yes" if word is Word.GO else f"no: {word.value}"


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
