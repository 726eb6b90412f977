"""The lab's figures from canned traces and rounds."""

from __future__ import annotations

import pytest

from benchmarks.lab import RESTARTED, LabRounds
from benchmarks.lab_figures import lab_figures, soak_figures
from benchmarks.restarts import RestartPart, parts
from benchmarks.traced import Packet, answered, last_request
from hubcore.update.gap import GapStep

pytestmark = pytest.mark.once

HANDLE = 0x0021
RESTART_SHOWN = """ActiveEnterTimestampMonotonic=10900000
ActiveExitTimestampMonotonic=10100000
InactiveEnterTimestampMonotonic=10300000
"""


def acl(pdu: str, channel: str = "0400", more: bool = False) -> bytes:
    data = bytes.fromhex(channel + pdu)
    body = (len(data) - 2).to_bytes(2, "little") + data
    return bytes([2, 1, 0x10 if more else 0x00]) + len(body).to_bytes(2, "little") + body


def test_the_last_write_before_the_strike() -> None:
    trace = [
        Packet(1.0, "down", acl("122300aa")),
        Packet(1.1, "up", acl("13")),
        Packet(1.2, "down", acl("122300bb")),
        Packet(1.3, "down", acl("12", channel="0500")),
        Packet(1.4, "up", acl("122300cc")),
        Packet(2.0, "down", acl("122300dd")),
    ]
    assert last_request(trace, before=1.9) == 1.2
    with pytest.raises(ValueError, match="no write"):
        last_request(trace, before=0.5)


def test_an_answer_belongs_to_the_request_for_its_handle() -> None:
    trace = [
        Packet(1.0, "down", acl("0a2000")),
        Packet(1.1, "up", acl("0b01")),
        Packet(1.2, "down", acl("0a2100")),
        Packet(1.25, "up", acl("1b2500ff")),
        Packet(1.3, "up", acl("0b02")),
    ]
    assert answered(trace, 0x0A, 0x0B, HANDLE) == pytest.approx(0.1)
    with pytest.raises(ValueError, match="no such request"):
        answered(trace[:3], 0x0A, 0x0B, HANDLE)
    with pytest.raises(ValueError, match="no such request"):
        answered(trace, 0x0A, 0x0B, 0x0099)


def test_rows_of_rounds() -> None:
    rounds = LabRounds(
        ready=[12.0, 26.0],
        connected={"short path, GATT known": [0.1, 0.2, 0.3]},
        strike={"short": [0.006, 0.006, 0.012]},
        echo=[0.001, 0.002, 0.003],
        info=[0.003, 0.004, 0.005],
        recovery={"bluetoothd killed": [1.0, 6.0]},
    )
    rows = {row.key: row for row in lab_figures(rounds)}
    assert rows["lab_connect_short_path_gatt_known_p50"].value == pytest.approx(200)
    assert "p99 300 ms" in rows["lab_connect_short_path_gatt_known_p50"].beside
    assert (rows["lab_ready"].value, rows["lab_ready"].met) == (26.0, False)
    assert rows["lab_ready"].beside == "median 19.00 s; 2 boots"
    assert rows["lab_strike_short_echo"].value == pytest.approx(3)
    assert rows["lab_strike_short_info"].value == pytest.approx(1.5)
    assert rows["lab_back_bluetoothd_killed"].met is False


def test_rows_of_updates() -> None:
    steps = {GapStep.ENDED: 0.01, GapStep.TAKEN: 0.03}
    rounds = LabRounds(
        echo=[0.001],
        info=[0.003],
        requests=[[0.02, 0.04, 0.02], [0.02, 0.06]],
        steps=[steps, steps],
        recovery={RESTARTED: [1.5, 2.5]},
        restarts=[parts(RESTART_SHOWN, whole=1.5), parts(RESTART_SHOWN, whole=2.5)],
        imports=[0.4, 0.6],
    )
    rows = {row.key: row for row in lab_figures(rounds)}
    handed = rows["lab_hand_over"]
    assert (handed.value, handed.goal, handed.met) == (0.06, 0.05, False)
    assert "2.5 times the usual answer of 20.0 ms" in handed.beside
    assert "ended 25%" in handed.beside
    assert "taken 75%" in handed.beside
    restarted = rows["lab_update_restart"]
    assert (restarted.value, restarted.goal, restarted.met) == (2.5, 2.0, False)
    assert "4.0 times a bare import" in restarted.beside
    assert "the old one ends 10%, the new one starts 30%" in restarted.beside
    assert "a phone is let in 60%; 2 times" in restarted.beside


def test_the_parts_of_a_restart_are_all_of_it() -> None:
    found = parts(RESTART_SHOWN, whole=2.5)
    assert found == {
        RestartPart.ENDS: pytest.approx(0.2),
        RestartPart.STARTS: pytest.approx(0.6),
        RestartPart.LETS_IN: pytest.approx(1.7),
    }
    assert sum(found.values()) == pytest.approx(2.5)
    with pytest.raises(KeyError):
        parts("ActiveExitTimestampMonotonic=1", whole=2.5)


def test_rows_of_long_runs() -> None:
    trend = {"first": 100.0, "last": 110.0, "an_hour": 12.0, "samples": 64}
    kept = {
        "cycles": {
            "cycles": 500,
            "grown KiB": {"hubd": 32, "bluetoothd": 20},
            "descriptors": {"hubd": [23, 23]},
        },
        "idle": {
            "seconds": 600,
            "share of a core": {"hubd": 0.005, "bluetoothd": 0.001},
            "memory": {"hubd": [50000, 44000], "guard": [15000, 11000]},
        },
        "soak": {
            "seconds": 3600,
            "counts": {"unlocked, full": 2, "unlocked, short": 3},
            "records": 9,
            "wrong": [],
            "share of a core, hubd": 0.05,
            "trends": {"hubd": {"rss_kib": trend, "descriptors": trend}},
        },
        "strangers": {
            "unlocks": 100,
            "p99 beset / p99 quiet": 3.5,
            "quiet": {"ms, p50 and p99": {"whole": [200, 400]}},
            "beset": {"ms, p50 and p99": {"whole": [300, 1400]}, "came again": 3},
        },
    }
    rows = {row.key: row for row in soak_figures(kept)}
    assert rows["lab_strangers"].met is False
    assert "3 first connections were lost" in rows["lab_strangers"].beside
    assert rows["lab_soak_hubd"].value == 12
    assert "5 unlocks" in rows["lab_soak_cpu"].beside
    assert rows["lab_idle_memory"].value == pytest.approx(51.2)
    assert rows["lab_cycles"].value == 32


def _soaked(**memory: float) -> dict[str, object]:
    trend = {"first": 100.0, "last": 110.0, "an_hour": 12.0, **memory}
    return {
        "seconds": 3600, "counts": {"bluetoothd died": 16}, "records": 9, "wrong": [],
        "share of a core, hubd": 0.05,
        "trends": {"bluetoothd": {"rss_kib": trend, "descriptors": trend}},
    }  # fmt: skip


def test_growth_is_told_of_the_whole_and_of_the_last_third() -> None:
    row, _ = soak_figures({"soak": _soaked(samples=64, late_an_hour=1948.0, late_samples=21)})
    assert (row.value, row.beside.split("; ")[-1]) == (12, "in the last third 1,948 KiB an hour")
    row, _ = soak_figures({"soak": _soaked(samples=12, late_an_hour=1948.0, late_samples=4)})
    assert "last third" not in row.beside


def test_a_process_that_was_looked_at_too_seldom_has_no_row_but_is_named() -> None:
    (row,) = soak_figures({"soak": _soaked(samples=1, late_an_hour=0.0, late_samples=0)})
    assert row.key == "lab_soak_cpu"
    assert (
        "died by itself 16 times; growth of bluetoothd is not known (looks in a life: 1)"
        in row.beside
    )


def test_what_was_not_kept_has_no_row() -> None:
    assert soak_figures({}) == []


def test_power_cuts_are_told_together() -> None:
    life = {"cuts": 10, "unlocks": 30, "strikes seen": 29, "records": 80, "wrong": 0}
    (row,) = soak_figures({"power cuts, life 1": life, "power cuts, life 2": life | {"wrong": 1}})
    assert (row.value, row.met) == (1, False)
    assert row.beside == "20 cuts in 2 lives; 60 unlocks, 58 strikes seen, 160 records"
