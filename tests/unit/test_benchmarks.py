"""The table's arithmetic on canned numbers: no test here takes a time."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import (
    bridge_figures,
    disk,
    figures,
    lockdown_figures,
    longlog,
    longreport,
    offline_figures,
    outage_figures,
    policies_figures,
    remote_figures,
    screen,
    start,
    stats,
    table,
)
from benchmarks.air import AirRounds, Trip
from benchmarks.bridge import BridgeRounds
from benchmarks.cpu import CpuMedians, CpuRounds
from benchmarks.disk import DiskRounds
from benchmarks.lockdown import LockdownRounds
from benchmarks.offline import OfflineRounds
from benchmarks.outage import OutageRounds
from benchmarks.policies import Applied, PolicyRounds
from benchmarks.pulse import PulseRounds
from benchmarks.readers import ReaderRounds
from benchmarks.remote import RemoteRounds
from benchmarks.start import Memory, StartRounds
from benchmarks.table import Cause, Figure, Table
from hubcore.evidence.records import Head, StoredRecord
from hubctl.evidence.chain import verify_chain
from hubctl.evidence.opening import open_log
from hubd.adapters.sqlite.audit import AuditStore

pytestmark = pytest.mark.once

MS = 1e-3


def test_a_percentile_is_the_smallest_sample_that_so_many_do_not_exceed() -> None:
    samples = [float(n) for n in range(200, 0, -1)]
    assert stats.percentile(samples, 99) == 198
    assert stats.percentile(samples, 100) == 200
    assert stats.percentile(samples, 0) == 1
    assert stats.p99([3.0, 1.0]) == 3.0
    assert stats.p50([4.0, 1.0, 2.0]) == 2.0
    with pytest.raises(ValueError, match="no samples"):
        stats.percentile([], 50)


def test_a_ratio_is_of_rounds_not_of_sums_or_medians() -> None:
    assert stats.ratio_of_rounds([2, 4, 900], [1, 4, 3]) == 2
    with pytest.raises(ValueError, match="shorter"):
        stats.ratio_of_rounds([1, 2], [1])


@pytest.mark.parametrize(("value", "met"), [(1.15, True), (1.1500001, False), (0.0, True)])
def test_a_goal_is_met_up_to_itself_and_not_rounded(value: float, met: bool) -> None:
    assert Figure("f", "f", value, goal=1.15).met is met


def test_a_figure_without_a_goal_is_neither_met_nor_not() -> None:
    figure = Figure("f", "f", 5)
    assert figure.met is None
    assert table.cells(figure) == ("f", "", "5", "", "")


def test_a_large_policy_has_its_figures() -> None:
    applied = Applied(
        seconds=2.0,
        cpu_seconds=1.0,
        pieces=3000,
        index_pieces=2,
        bytes=115_000_000,
        pause_seconds=0.004,
        whole_pause_seconds=0.03,
    )
    change = replace(applied, seconds=0.03, pieces=97, bytes=4_000_000, pause_seconds=0.019)
    rounds = PolicyRounds(
        rows=1_000_000,
        whole=applied,
        changes=[change, replace(change, seconds=9.0, pieces=98), change],
        idle_pause_seconds=0.001,
        card_ns=[30_000] * 100,
        revoked_ns=[15_000] * 99 + [400_000],
        small=Memory(70.0, 60.0),
        large=Memory(73.0, 62.0),
        start_small=1.0,
        start_large=1.1,
        revocations=[0.02, 0.9, 0.01],
    )
    rows = by_key(policies_figures.policy_figures(rounds))
    assert {key: row.value for key, row in rows.items()} == {
        "policy_look_up_p99": 30.0,
        "policy_memory": 73.0,
        "policy_start": 1.1,
        "policy_row": 1.0,
        "policy_change": 30.0,
        "policy_change_pieces": 98,
        "policy_pause": 19.0,
        "policy_revocation": 0.9,
    }
    assert all(row.met in (True, None) for row in rows.values())


def test_a_lockdown_is_held_against_a_second_and_against_bare_trips() -> None:
    rounds = LockdownRounds(
        hubs=4,
        of_hubs=[0.01] * 3 + [0.5],
        last_hub=[0.5],
        whole=[1.5],
        given=[0.002],
        trip=[0.025],
    )
    rows = by_key(lockdown_figures.lockdown_figures(rounds))
    assert {key: row.value for key, row in rows.items()} == {
        "lockdown_p99": 0.5,
        "lockdown_answered": 1.5,
        "lockdown_trips": pytest.approx(5.0),
    }
    assert [row.met for row in rows.values()] == [True, False, None]


def test_a_release_from_afar_is_held_against_a_round_trip_and_a_commit() -> None:
    rounds = RemoteRounds(
        whole=[0.002, 0.002, 0.009],
        to_hub=[0.0005] * 3,
        to_mover=[0.001] * 3,
        guard=[0.0002] * 3,
        trip=[0.0005] * 3,
        commit=[0.0005] * 3,
    )
    rows = by_key(remote_figures.remote_figures(rounds))
    assert rows["remote_strike_p50"].value == pytest.approx(4.0)
    assert rows["remote_strike_p50"].met is False
    assert rows["remote_strike_bound"].value == pytest.approx(2.0)
    (cause,) = remote_figures.remote_causes(rounds)
    assert sum(cause.parts.values()) == pytest.approx(2000 + 500 + 1000 + 500 + 200)


def test_a_hub_that_was_offline_has_its_figures() -> None:
    rounds = OfflineRounds(
        length=10_000_000,
        waiting=259_200,
        short_start=1.0,
        first_start=9.0,
        long_start=1.1,
        short_mb=70.0,
        long_mb=72.0,
        draining_mb=[73.0, 75.0, 74.0],
        quiet=[0.004] * 3,
        draining=[0.006] * 3,
        drained=250_000,
        drain_seconds=50.0,
        lost=1,
        strange=2,
        list_newest=0.002,
        verify=100.0,
    )
    rows = by_key(offline_figures.offline_figures(rounds))
    assert {key: row.value for key, row in rows.items()} == {
        "offline_start": pytest.approx(1.1),
        "offline_memory": pytest.approx(2.0),
        "offline_list": pytest.approx(2.0),
        "offline_verify": pytest.approx(10.0),
        "offline_drain": pytest.approx(5000.0),
        "offline_lost": 3,
        "offline_unlock": pytest.approx(1.5),
        "offline_grown": pytest.approx(3.0),
    }
    assert [key for key, row in rows.items() if row.met is False] == ["offline_lost"]


@pytest.mark.asyncio
async def test_a_long_log_is_a_hubs_own_and_the_backend_gets_its_newest(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    async with await AuditStore.open(path) as store:
        await store.append(disk.record(0))
    number, body, digest = longlog.fill(path, 50, 20)
    async with await AuditStore.open(path) as store:
        assert (store.last(), store.waiting(), store.newest_acknowledged()) == (50, 20, 30)
        assert store.newest(31, 1) == [StoredRecord(number, body, digest)]
    with closing(open_log(path)) as reader:
        assert verify_chain(reader, Head(number, digest)).head.number == 50


def test_a_report_of_a_long_log_counts_as_much_as_one_of_its_last_days(tmp_path: Path) -> None:
    """The long log has seven days of seventy; its chain holds, and goes up to now."""
    logs = longreport.make_logs(tmp_path, 3000)
    for log, length in zip(logs, (3000, 300), strict=True):
        with closing(open_log(log)) as reader:
            verified = verify_chain(reader, None)
            (first, last) = reader.execute("SELECT min(at_ms), max(at_ms) FROM records").fetchone()
        assert verified.head.number == length
        assert (last - first) // longreport.DAY_MS == (69 if length == 3000 else 6)
    long, short = longreport.measure(logs, turns=1)
    assert long.counted | short.counted <= {299, 300}
    assert longreport.said(long, short).count("long / short") == 2


async def test_a_screen_sends_its_line_what_changed_and_nothing_while_nothing_does(
    tmp_path: Path,
) -> None:
    """Bytes are counted, not times."""
    rounds = await screen.measure(tmp_path, 2)
    assert rounds.idle == [0, 0]
    assert min(rounds.whole) > screen.COLUMNS
    assert min(rounds.two_cells) > 0
    assert max(rounds.two_cells) < min(rounds.whole) / 10
    assert "two cells changed, each second / the whole screen: 0.0" in screen.said(rounds)


def by_key(rows: list[Figure]) -> dict[str, Figure]:
    keyed = {row.key: row for row in rows}
    assert len(keyed) == len(rows)
    return keyed


def cpu_rounds() -> CpuRounds:
    steps = {
        "challenge": [10_000, 10_000],
        "unseal": [1_000_000, 1_000_000],
        "answer": [90_000, 90_000],
    }
    return CpuRounds(
        [1_000_000, 2_000_000],
        [1_100_000, 2_600_000],
        [110_000, 520_000],
        steps,
        steps,
        pkoc=[330_000, 1_300_000],
        pkoc_bytes=[527, 601],
    )


def test_cpu() -> None:
    rows = by_key(figures.cpu_figures(cpu_rounds(), CpuMedians(2e6, 3e6, 3e5)))
    assert rows["cpu_full"].value == pytest.approx(1.2)
    assert rows["cpu_full"].met is False
    assert rows["cpu_short"].value == pytest.approx(0.15)
    assert rows["cpu_full_without_ifma"].value == 1.5
    assert rows["cpu_short_without_ifma"].value == pytest.approx(0.1)
    assert rows["cpu_pkoc"].value == pytest.approx(0.4)
    assert rows["cpu_pkoc"].met is True
    assert rows["bytes_pkoc"].value == 601
    assert rows["bytes_pkoc"].met is False
    assert "cpu_full_without_ifma" not in by_key(figures.cpu_figures(cpu_rounds(), None))


def air_rounds() -> AirRounds:
    trips = {
        "cold": Trip(2, False, 2003),
        "full": Trip(1, False, 1251),
        "short": Trip(1, True, 320),
    }
    return AirRounds(
        full=[3 * MS] * 90 + [9 * MS] * 10,
        short=[0.6 * MS] * 100,
        parts={
            "full: taken": [0.3 * MS] * 100,
            "full: guard": [0.2 * MS] * 100,
            "short: taken": [0.05 * MS] * 100,
            "short: guard": [0.1 * MS] * 100,
        },
        echo=[1 * MS] * 100,
        crypto_full=[1.5 * MS] * 60
        + [50 * MS] * 40,  # a bound that is slow at times makes no goal easier
        crypto_short=[0.1 * MS] * 100,
        commit=[0.5 * MS] * 100,
        trips=trips,
        state_bytes=112,
    )


def test_the_way_to_the_strike_is_held_against_the_median_of_its_bound() -> None:
    rows = by_key(figures.air_figures(air_rounds()))
    assert rows["strike_full_p50"].value == pytest.approx(3 / 2)
    assert rows["strike_full_p99"].value == pytest.approx(9 / 2)
    assert rows["strike_full_p99"].met is False
    assert rows["strike_short_p50"].value == rows["strike_short_p99"].value == pytest.approx(1)
    assert rows["att_echo_p50"].value == pytest.approx(1)


def test_bytes_and_round_trips() -> None:
    rows = by_key(figures.air_figures(air_rounds()))
    assert [rows[key].met for key in ("trips_warm", "trips_cold", "bytes_full", "bytes_short")] == [
        True,
        True,
        False,
        True,
    ]
    assert rows["bytes_state"].value == 112


def test_what_is_left_of_a_way_is_the_rest() -> None:
    full, short = figures.air_causes(air_rounds())
    assert list(full.parts.values()) == pytest.approx([3000, 300, 1500, 500, 200, 500])
    assert list(short.parts.values()) == pytest.approx([600, 50, 100, 500, 100, -150])


def test_a_card_is_held_against_one_poll() -> None:
    rows = by_key(figures.reader_figures(ReaderRounds([0.1, 0.2, 0.3])))
    assert rows["card_strike_p50"].value == pytest.approx(4.0)
    assert rows["card_strike_p50"].met is False


def test_a_pulse_may_be_wrong_both_ways() -> None:
    rows = by_key(figures.pulse_figures(PulseRounds([0.0002, -0.003, 0.001])))
    assert rows["pulse_error_p99"].value == pytest.approx(3.0)
    assert rows["pulse_error_p99"].met is False


def test_start_and_memory() -> None:
    rounds = StartRounds(
        ready=[0.5, 0.7, 3.0],
        with_zwave=[1.0, 0.7, 3.3],
        imports=[0.1, 0.2, 0.1],
        hubctl=[0.04, 0.05, 0.06],
        nothing=[0.02, 0.02, 0.02],
        hub=Memory(61, 45),
        guard=Memory(15, 10),
        bare=Memory(39, 30),
        virtual_radio=10.0,
        real_radio=3.0,
    )
    rows = by_key(figures.start_figures(rounds))
    assert (rows["start"].value, rows["start"].met) == (0.7, True)
    assert rows["start_ratio"].value == pytest.approx(7)
    assert rows["start_zwave"].value == pytest.approx(1.1)
    assert (rows["hubctl"].value, rows["hubctl"].met) == (pytest.approx(2.5), True)
    assert (rows["memory_hub"].value, rows["memory_hub"].met) == (61, False)
    assert rows["memory_hub_real"].value == 54
    assert rows["memory_sum"].value == 76


def test_memory_is_read_in_megabytes_of_a_million() -> None:
    text = (
        "7f00-7fff ---p 00000000 00:00 0 [rollup]\nRss:   1000 kB\nPss:    500 "
        "kB\nPss_Anon:  7 kB\n"
    )
    assert start.memory(text) == Memory(1.024, 0.512)


def test_rates() -> None:
    rounds = DiskRounds(
        sync=[1 * MS] * 3, commit=[2 * MS] * 3, alone=[4 * MS] * 3, together=[0.5 * MS] * 3
    )
    rows = by_key(figures.disk_figures(rounds))
    assert [
        round(rows[key].value) for key in ("records_alone", "records_32", "syncs", "commits")
    ] == [
        250,
        2000,
        1000,
        500,
    ]
    assert rows["records_alone"].beside == "0.25 of the bare syncs, 0.50 of the bare commits"


def a_table() -> Table:
    rows = [
        Figure("a", "a ratio", 1.2345, goal=1.15),
        Figure("b", "bytes", 1173, "B", 1250.0, "all"),
        Figure("c", "c", 2),
    ]
    return Table({"cores": "2"}, {"CPU": 7}, rows, [Cause("a", {"this": 12.345, "that": 2})])


def test_a_table_survives_its_file() -> None:
    said = json.loads(json.dumps(table.as_json(a_table())))
    assert said["figures"]["a"]["met"] is False
    assert table.as_json(table.from_json(said)) == said


def test_both_renderings_show_every_row_and_cause() -> None:
    for rendered in (table.text(a_table()), table.markdown(a_table())):
        assert "≤ 1,250 B" in rendered
        assert "1,173 B" in rendered
        assert "NO" in rendered
        assert "1.23" in rendered
        assert "12.3" in rendered
    assert "| bytes | ≤ 1,250 B | 1,173 B | yes | all |" in table.markdown(a_table())


def test_held_records_are_compared_with_bare_frames_round_by_round() -> None:
    rounds = BridgeRounds(
        frames=[2e-5, 4e-5, 2e-5],
        round_trips=[1e-4, 1e-4, 1e-4],
        commits=[3e-5, 4e-5, 1e-5],
        held=[5e-5, 8e-5, 3e-5],
        idle=Memory(41.0, 30.0),
        imports=Memory(35.0, 20.0),
        crowd_mb=100.0,
        shared_mb=22.0,
    )
    rows = {row.key: row for row in bridge_figures.bridge_figures(rounds)}
    assert rows["record_to_bridge"].value == pytest.approx(2.0)
    assert rows["record_to_bridge_trip"].value == pytest.approx(0.5)
    assert rows["record_to_bridge_trip"].met is True
    assert rows["record_to_bridge_commit"].value == pytest.approx(1.0)
    assert rows["record_to_bridge"].beside == "20,000 records/s, 50,000 frames/s"
    assert [rows[key].met for key in ("bridge_idle", "bridge_crowd")] == [False, True]
    assert "proportional: 30.0 MB" in rows["bridge_idle"].beside
    assert (rows["bridge_imports"].value, rows["bridge_imports"].goal) == (35.0, None)


def test_what_goes_up_from_a_bridge_is_held_against_the_engine_alone() -> None:
    rounds = OutageRounds(
        records=9, hubs=3, drained=3e-5, engine=1e-5, delays=[0.1, 0.2, 1.1], lost=1
    )
    rows = by_key(outage_figures.outage_figures(rounds))
    assert {key: row.value for key, row in rows.items()} == {
        "bridge_drain": pytest.approx(3.0),
        "bridge_drain_live": 1.1,
        "bridge_drain_lost": 1,
    }
    assert not any(row.met for row in rows.values())
    assert rows["bridge_drain"].beside == "33,333 records/s, 100,000 records/s"
