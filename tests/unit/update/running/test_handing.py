"""What hubd tells of a change of hands, and anything else that comes in its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.update.slots import Slot
from hubd.takeover.changing import Standing
from hubupdate.running.daemon import Reply, ask
from hubupdate.running.handing import Handing, Ordered, Stand, Told
from tests.unit.update.running.test_daemon import JSON, answering

MOUNTS = Path("/run/hubd-slots")
ALONE = {
    "version": "1",
    "place": "/run/hubd-slots/A",
    "standing": "alone",
    "why": "",
    "tried": False,
}


def handing(reply: Reply, asked: list[tuple[str, Mapping[str, Any]]] | None = None) -> Handing:
    def call(name: str, arguments: Mapping[str, Any]) -> Reply:
        if asked is not None:
            asked.append((name, arguments))
        return reply

    return Handing(MOUNTS, call)


@pytest.mark.parametrize("standing", Standing)
def test_each_word_of_hubd_is_known(standing: Standing) -> None:
    told = handing(Reply({**ALONE, "standing": str(standing)})).told()
    assert told.stand.name == standing.name
    assert told.slot is Slot.A


@pytest.mark.parametrize(
    "place",
    ["/opt/hubd", "/run/hubd-slots/now", "/run/hubd-slots/A/", "/run/hubd-slots/../A", "A", "/A/B"],
)
def test_what_runs_from_elsewhere_runs_from_no_slot(place: str) -> None:
    """handing, law 3"""
    told = handing(Reply({**ALONE, "place": place})).told()
    assert told.slot is (Slot.A if Path(place) == MOUNTS / "A" else None)


def test_a_hubd_that_cannot_change_hands_is_told_from_one_that_is_silent() -> None:
    """handing, laws 1 and 2"""
    assert handing(Reply(code="unknown-call")).told() == Told(Stand.UNABLE)
    assert handing(Reply({"version": "1", "standing": "alone"})).told() == Told(Stand.UNABLE)
    assert handing(Reply({**ALONE, "standing": "warming"})).told().stand is Stand.UNABLE
    assert handing(Reply()).told() == Told(Stand.SILENT)


@given(st.dictionaries(st.sampled_from([*ALONE]), JSON))
def test_whatever_comes_raises_nothing(result: dict[str, Any]) -> None:
    """handing, law 1"""
    told = handing(Reply(result)).told()
    assert isinstance(told.why, str)
    assert told.is_tried is (result.get("tried") is True) or told.stand is Stand.UNABLE


@pytest.mark.parametrize(
    ("reply", "ordered"),
    [
        (Reply(ALONE), Ordered.TAKEN),
        (Reply(), Ordered.BUSY),
        (Reply(code="sequence"), Ordered.BUSY),
        (Reply(code="not-allowed"), Ordered.REFUSED),
        (Reply(code="trust"), Ordered.REFUSED),
        (Reply(code="unknown-call"), Ordered.REFUSED),
    ],
)
def test_an_order_names_the_slots_python_and_is_understood(reply: Reply, ordered: Ordered) -> None:
    asked: list[tuple[str, Mapping[str, Any]]] = []
    assert handing(reply, asked).order(Slot.B) is ordered
    assert asked == [("takeover", {"program": "/run/hubd-slots/B/bin/python"})]


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b'{"error": {"code": "sequence", "message": "x"}}\n', Reply(code="sequence")),
        (b'{"error": {"code": ""}}\n', Reply()),
        (b'{"error": {"code": 7}}\n', Reply()),
        (b'{"error": "x"}\n', Reply()),
        (b'{"result": {"a": 1}}\n', Reply({"a": 1})),
        (b"7\n", Reply()),
    ],
)
def test_an_answer_has_a_result_or_a_code(tmp_path: Path, line: bytes, reply: Reply) -> None:
    with answering(tmp_path / "sock", line):
        assert ask(tmp_path / "sock", "takeover", {}) == reply
