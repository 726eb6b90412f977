"""`hubctl metrics`: what Prometheus' parser reads, the file for node-exporter, the dashboard."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from hubcore.access.claim import Claim, Strength
from hubcore.access.words import Action, Denial
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind
from hubctl.commands.look.metrics import FILE, put
from hubctl.main import hubctl
from hubctl.metrics.exposition import Family, documents, text
from hubctl.metrics.families import families
from hubctl.updating.shown import families as of_updates
from hubd.doors.operation import Operation
from hubd.upkeep.measured import BOUNDS_SECONDS, HOURS_KEPT, Measured
from hubterm.exits import CANNOT_PRINT, NO_ANSWER
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).parents[2]
PERSON = "3fa9c2d41b7788e05566"

STATUS: dict[str, Any] = {
    "hub": "hub-1",
    "site": 'si"te\\1\n',
    "version": "0.1.0",
    "installed_version": "0.1.0",
    "ready": True,
    "certificate": {"expires": 1_900_000_000.0},
    "policy_version": 7,
    "radio": {"on_air": False, "links": 2},
    "records": {
        "waiting": 5,
        "oldest_seconds": 61.5,
        "used_bytes": 3 << 20,
        "budget_bytes": 1 << 30,
    },
    "telemetry": {"waiting": 3, "dropped": 1},
    "backend": {
        "connected": True,
        "clock_offset_seconds": -0.25,
        "clock_within_seconds": 0.1,
    },
    "bridge": {
        "phase": "speaking",
        "waiting": 4,
        "is_full": False,
        "certificate_ends": 1_800_000_000,
        "clock_offset_seconds": 0.5,
        "counters": {"receipts": 2},
    },
    "clock": {"state": "trusted", "synchronised": None, "error_seconds_max": 0.02},
    "problems": [{"id": "radio", "severity": "warning", "what": PERSON}],
    "counters": {"access": 9},
    "doors": [{"id": "front", "state": "closed", "mode": "Locked", "alarm": "normal"}],
    "devices": [
        {
            "id": "south",
            "name": PERSON,
            "kind": "zwave",
            "age_seconds": 3.5,
            "answers": False,
            "faults": ["jammed"],
            "readings": {"battery": 12.0},
        }
    ],
}


def claim(arrived: float, point: int = 1) -> Claim:
    return Claim(
        credential=PERSON,
        grant_id=PERSON.encode(),
        not_before=0,
        expires=10,
        access_point=point,
        entry=None,
        action=Action.OPEN,
        op=b"o" * 16,
        strength=Strength.FULL,
        arrived=arrived,
    )


def operation(arrived: float = 100.0, point: int = 1) -> Operation:
    return Operation(
        RecordKind.ACCESS,
        PERSON,
        b"o" * 16,
        point,
        Action.OPEN,
        claim=claim(arrived, point),
    )


def at_reader(reader: str) -> Operation:
    made = operation()
    return replace(made, claim=replace(claim(100.0), reader=reader))


def counting(clock: FakeClock | None = None) -> Measured:
    return Measured({1: "front"}, ["gate", "yard"], (clock or FakeClock()).wall)


def measured() -> Measured:
    counts = counting()
    counts.decided(operation(), None)
    counts.asked(operation(100.0), 100.02)
    counts.asked(operation(100.0), 109.0)
    counts.decided(operation(), Denial.NO_GRANT)
    counts.decided(operation(), Denial.NO_GRANT)
    for _ in range(2):
        counts.card("gate")
    counts.decided(at_reader("gate"), None)
    stranger = replace(operation(), claim=None)
    counts.card_refused(stranger, Denial.UNKNOWN_CREDENTIAL, {Fact.READER: "gate"})
    return counts


def parsed(said: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    samples = [
        ((sample.name, tuple(sorted(sample.labels.items()))), sample.value)
        for family in text_string_to_metric_families(said)
        for sample in family.samples
    ]
    found = dict(samples)
    assert len(found) == len(samples), "a collector refuses a file with a series twice"
    return found


def samples() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return parsed(text(families(STATUS, measured().document())))


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("hubd_up", {}, 1),
        ("hubd_ready", {}, 1),
        ("hubd_radio_on_air", {}, 0),
        ("hubd_radio_links", {}, 2),
        ("hubd_decisions_total", {"door": "front", "by": "access", "why": "granted"}, 2),
        ("hubd_decisions_total", {"door": "front", "by": "access", "why": "no-grant"}, 2),
        ("hubd_cards_total", {"reader": "gate"}, 2),
        ("hubd_cards_total", {"reader": "yard"}, 0),
        ("hubd_card_decisions_total", {"reader": "gate", "why": "granted"}, 1),
        ("hubd_card_decisions_total", {"reader": "gate", "why": "unknown-credential"}, 1),
        ("hubd_strike_asked_seconds_bucket", {"le": "0.01"}, 0),
        ("hubd_strike_asked_seconds_bucket", {"le": "0.025"}, 1),
        ("hubd_strike_asked_seconds_bucket", {"le": "2.5"}, 1),
        ("hubd_strike_asked_seconds_bucket", {"le": "+Inf"}, 2),
        ("hubd_strike_asked_seconds_count", {}, 2),
        ("hubd_strike_asked_seconds_sum", {}, pytest.approx(9.02)),
        ("hubd_waiting", {"class": "records"}, 5),
        ("hubd_waiting", {"class": "telemetry"}, 3),
        ("hubd_telemetry_dropped_total", {}, 1),
        ("hubd_waiting_oldest_seconds", {}, 61.5),
        ("hubd_backend_connected", {}, 1),
        ("hubd_backend_clock_offset_seconds", {}, -0.25),
        ("hubd_bridge_phase", {"phase": "speaking"}, 1),
        ("hubd_bridge_not_held", {}, 4),
        ("hubd_bridge_full", {}, 0),
        ("hubd_bridge_certificate_expires_timestamp_seconds", {}, 1_800_000_000),
        ("hubd_bridge_clock_offset_seconds", {}, 0.5),
        ("hubd_bridge_events_total", {"event": "receipts"}, 2),
        ("hubd_clock_trusted", {}, 1),
        ("hubd_certificate_expires_timestamp_seconds", {}, 1_900_000_000),
        ("hubd_problem", {"id": "radio", "severity": "warning"}, 1),
        ("hubd_events_total", {"event": "access"}, 9),
        ("hubd_door_state", {"door": "front", "state": "closed"}, 1),
        ("hubd_door_mode", {"door": "front", "mode": "Locked"}, 1),
        ("hubd_device_answers", {"device": "south", "kind": "zwave"}, 0),
        ("hubd_device_fault", {"device": "south", "fault": "jammed"}, 1),
        ("hubd_device_battery_ratio", {"device": "south"}, 0.12),
    ],
)
def test_prometheus_reads_each_number(name: str, labels: dict[str, str], value: float) -> None:
    assert samples()[name, tuple(sorted(labels.items()))] == value


def test_what_is_not_known_has_no_sample_and_no_name_of_a_family() -> None:
    said = text(families(STATUS, measured().document()))
    assert "hubd_clock_synchronised" not in said
    no_certificate_yet = {"bridge": {"phase": "down", "certificate_ends": 0}}
    assert "certificate" not in text(families(no_certificate_yet, {}))
    assert "hubd_telemetry_dropped_total" not in text(families({"telemetry": None}, {}))
    bare = parsed(text(families({}, {})))
    assert {name for name, _ in bare} == {"hubd_up", "hubd_info"}


def test_no_person_is_in_the_text() -> None:
    assert PERSON not in text(families(STATUS, measured().document()))
    assert PERSON not in json.dumps(measured().document())


def test_strangers_cannot_make_series_by_points_that_are_not_there() -> None:
    counts = counting()
    for point in range(2, 1000):
        counts.decided(operation(point=point), Denial.NO_GRANT)
    rows = counts.document()["decisions"]
    assert rows == [{"door": None, "by": "access", "why": "no-grant", "count": 998}]


def test_no_reader_that_is_not_this_hub_s_makes_a_series() -> None:
    counts = counting()
    for number in range(999):
        counts.card(f"reader-{number}")
        counts.decided(at_reader(f"reader-{number}"), Denial.NO_GRANT)
    document = counts.document()
    assert document["cards"] == [{"reader": "gate", "count": 0}, {"reader": "yard", "count": 0}]
    assert document["reader_decisions"] == []


def hours_of(counts: Measured) -> list[tuple[int, int]]:
    rows = counts.document()["strike_asked_by_hour"]
    assert isinstance(rows, list)
    return [(row["hour"], sum(row["counts"])) for row in rows]


def test_by_hour_the_newest_day_is_kept() -> None:
    clock = FakeClock()
    counts = counting(clock)
    first = int(clock.wall() // 3600)
    for _ in range(3 * HOURS_KEPT):
        counts.asked(operation(100.0), 100.02)
        counts.asked(operation(100.0), 100.02)
        clock.advance(3600)
    last = first + 3 * HOURS_KEPT
    assert hours_of(counts) == [(hour, 2) for hour in range(last - HOURS_KEPT + 1, last)]
    clock.advance(3600 * 10)
    assert len(hours_of(counts)) == HOURS_KEPT - 11  # a quiet night is in no hour
    clock.advance(3600 * 100)
    assert hours_of(counts) == []


def test_hours_that_have_not_come_yet_are_lost_with_a_clock_that_is_set_back() -> None:
    clock = FakeClock()
    counts = counting(clock)
    counts.asked(operation(100.0), 100.02)
    clock.offset -= 5 * 3600
    assert hours_of(counts) == []
    counts.asked(operation(100.0), 100.02)
    assert hours_of(counts) == [(int(clock.wall() // 3600), 1)]
    assert counts.document()["strike_asked"]["counts"][2] == 2  # type: ignore[index]


def test_an_order_has_no_last_byte_and_no_latency() -> None:
    counts = counting()
    counts.asked(replace(operation(), claim=None), 200.0)
    assert counts.document()["strike_asked"] == {
        "bounds_seconds": list(BOUNDS_SECONDS),
        "counts": [0] * (len(BOUNDS_SECONDS) + 1),
        "sum_seconds": 0.0,
    }


@given(st.text(), st.floats())
def test_a_label_and_a_number_are_always_one_line_that_parses(label: str, value: float) -> None:
    family = Family("hubd_x", "gauge", "says \\ this\nand that")
    family.add(value, name=label)
    said = text([family])
    assert said.count("\n") == 3
    assert said.replace("\n", "").isprintable()
    (read,) = parsed(said).values()
    assert read == value or (read != read and value != value)
    json.dumps(documents([family]), allow_nan=False)


def test_a_series_stands_once_whatever_hubd_answers() -> None:
    twice = [{"id": "a", "severity": "error", "state": "open", "faults": ["jammed", "jammed"]}] * 2
    said = text(families({"problems": twice, "doors": twice, "devices": twice}, {}))
    assert parsed(said)[("hubd_device_fault", (("device", "a"), ("fault", "jammed")))] == 1
    assert said.count("hubd_problem{") == 1


def test_a_number_that_no_float_holds_has_no_sample() -> None:
    huge = 10**400
    strange = {
        **STATUS,
        "policy_version": huge,
        "devices": [{"id": "south", "readings": {"battery": huge}}],
    }
    asked = {"bounds_seconds": [huge], "counts": [1, 1], "sum_seconds": 1}
    said = text(families(strange, {"strike_asked": asked}))
    assert "hubd_policy_version" not in said
    assert "battery" not in said
    assert "hubd_strike_asked" not in said


HOSTILE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from([*STATUS]), HOSTILE),
    st.dictionaries(
        st.sampled_from(["decisions", "strike_asked", "cards", "reader_decisions"]), HOSTILE
    ),
)
def test_whatever_hubd_answers_makes_text_that_parses(
    status: Mapping[str, Any], counts: Mapping[str, Any]
) -> None:
    assert parsed(text(families(status, counts)))[("hubd_up", ())] == 1


def test_the_file_comes_whole_for_everyone_to_read_and_leaves_nothing_beside_it(
    tmp_path: Path,
) -> None:
    (tmp_path / FILE).write_text("old")
    put(tmp_path, "new\n")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).read_text() == "new\n"
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o644


def test_a_file_that_cannot_take_its_place_leaves_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(OSError, match=FILE):
        put(tmp_path, "new\n")
    assert os.listdir(tmp_path) == [FILE]


def test_without_hubd_the_file_says_so_and_standard_output_says_nothing(tmp_path: Path) -> None:
    words = ["metrics", "--socket", str(tmp_path / "none"), "--textfile", str(tmp_path)]
    ended = CliRunner().invoke(hubctl, words)
    assert (ended.exit_code, ended.stdout) == (NO_ANSWER, "")
    assert parsed((tmp_path / FILE).read_text()) == {("hubd_up", ()): 0}


def test_a_folder_that_is_not_there_is_told_with_a_code(tmp_path: Path) -> None:
    words = ["metrics", "--socket", str(tmp_path / "none"), "--json"]
    ended = CliRunner().invoke(hubctl, [*words, "--textfile", str(tmp_path / "gone")])
    assert (ended.exit_code, ended.stdout) == (CANNOT_PRINT, "")
    assert json.loads(ended.stderr.splitlines()[-1])["error"]["code"] == "unwritable"


def test_every_metric_of_the_dashboard_exists_and_each_panel_asks_for_one() -> None:
    all_ = [*families({}, {}), *of_updates({})]
    kinds = {family.name: family.kind for family in all_}
    there = {name for name, kind in kinds.items() if kind != "histogram"}
    for name, kind in kinds.items():
        if kind == "histogram":
            there |= {f"{name}{suffix}" for suffix in ("_bucket", "_sum", "_count")}
    panels = json.loads((ROOT / "config/grafana/hubd.json").read_text())["panels"]
    asked: set[str] = set()
    for panel in panels:
        names = {
            name for target in panel["targets"] for name in re.findall(r"hubd_\w+", target["expr"])
        }
        assert names, panel["title"]
        asked |= names
    assert asked <= there
    assert len({panel["id"] for panel in panels}) == len(panels) > 15
    assert {"hubd_update_info", "hubd_bridge_phase"} <= asked


def test_names_follow_the_conventions() -> None:
    for family in families({}, {}):
        assert re.fullmatch(r"hubd_[a-z_]+", family.name)
        assert family.name.endswith("_total") is (family.kind == "counter")
        assert family.says.endswith(".")
