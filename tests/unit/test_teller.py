"""What is told of an event: its facts, and of each id too little to name somebody."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from hubd.adapters.host import log
from hubd.adapters.local.teller import Teller
from hublocal.tail.events import EventTail
from tests.fakes.clock import FakeClock


@pytest.fixture
def journal() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    before = logging.getLogger().handlers[:]
    log.set_up("info", stream, human=False)
    yield stream
    logging.getLogger().handlers[:] = before
    log.set_up("info", sys.stderr)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("whole", "shown"),
    [
        ("701eff5a9c3b12de", "701eff5a…"),
        ("operator-7", "opera…"),
        ("anna-b-7", "anna…"),
        ("bob", "b…"),
        ("x", "…"),
        ("", "…"),
        (bytes.fromhex("4b145411aabbccdd"), "4b145411…"),
        (b"\x4b\x14", "4b…"),
    ],
)
async def test_no_id_is_told_whole(journal: io.StringIO, whole: str | bytes, shown: str) -> None:
    tail = EventTail()
    clock = FakeClock()
    counted = list[str]()
    with tail.subscribe() as onlooker:
        Teller(tail, clock, counted.append, {})(
            "access", {"asker": whole, "op": whole, "point": 1, "why": None}
        )
        batch = await onlooker.next()
    (told,) = batch.events
    assert (batch.lost, counted) == (0, ["access"])
    facts = {"event": "access", "asker": shown, "op": shown, "point": 1, "why": None}
    assert json.loads(told) == facts | {"at": clock.wall()}
    line = json.loads(journal.getvalue())
    assert {key: line[key] for key in facts} == facts


@pytest.mark.asyncio
async def test_what_is_no_id_is_told_whole(journal: io.StringIO) -> None:
    Teller(EventTail(), FakeClock(), lambda _: None, {})(
        "door", {"door": "front-door-of-the-house", "what": "forced"}
    )
    assert json.loads(journal.getvalue())["door"] == "front-door-of-the-house"


@pytest.mark.asyncio
async def test_an_event_at_an_access_point_names_its_door(journal: io.StringIO) -> None:
    tell = Teller(EventTail(), FakeClock(), lambda _: None, {1: "front", 2: "back"})
    tell("access", {"point": 1, "why": None})
    tell("order", {"point": 2, "door": "as it was said", "order": "fire"})
    for strange in (0, 9, None, "1"):
        tell("access", {"point": strange})
    tell("part", {"part": "radio", "up": True})
    doors = [json.loads(line).get("door") for line in journal.getvalue().splitlines()]
    assert doors == ["front", "as it was said", None, None, None, None, None]
