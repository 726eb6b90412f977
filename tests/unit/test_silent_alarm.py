"""The silent alarm at the reference backend: each record under duress is told to people once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hubcore.evidence.facts import Fact, Value
from hubcore.evidence.records import Record, RecordKind, StoredRecord
from hubsim.backend.evidence import Evidence
from tests.fakes.audit import FakeAudit

pytestmark = pytest.mark.asyncio

THREATENED: dict[Fact, Value] = {
    Fact.ASKER: "anna\x1b[2J",
    Fact.POINT: 2,
    Fact.ALLOWED: True,
    Fact.DURESS: True,
}


async def chain(*details: dict[Fact, Value]) -> list[StoredRecord]:
    log = FakeAudit()
    for detail in details:
        await log.append(Record.at(RecordKind.ACCESS, 1_800_000_000.0, 5.0, detail))
    return log.stored


async def test_each_record_under_duress_is_told_once_however_often_it_comes(tmp_path: Path) -> None:
    calm = {**THREATENED, Fact.DURESS: False}
    denied = {**THREATENED, Fact.ALLOWED: False}
    records = await chain(calm, THREATENED, denied)
    backend = Evidence(tmp_path, Counter())
    taken = backend.take("hub-1", [*records[:2], records[1]])
    assert taken.alarms == (
        "DURESS: 'anna\\x1b[2J' opened access point 2 of hub hub-1 under threat at "
        "2027-01-15T08:00:00.000Z (record 2): send help, and call nobody there",
    )
    assert backend.take("hub-1", records[:2]).alarms == ()
    (second,) = backend.take("hub-1", records).alarms
    assert "was denied at access point 2" in second
    backend.close()


async def test_a_record_that_is_not_taken_is_no_alarm_yet(tmp_path: Path) -> None:
    calm = {**THREATENED, Fact.DURESS: False}
    records = await chain(calm, THREATENED)
    backend = Evidence(tmp_path, Counter())
    assert backend.take("hub-1", records[1:]).alarms == ()
    assert len(backend.take("hub-1", records).alarms) == 1
    backend.close()
