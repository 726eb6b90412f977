"""`hubctl bench`: what is measured, what it means, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from hubctl.bench.radio import radio_steps
from hubctl.bench.timing import (
    BUDGET_MS,
    COUNT_MAX,
    COUNT_MIN,
    Figure,
    quantile,
    timed,
    unlock_ms,
    worst,
)
from hubctl.bench.work import FOLDER, folder_on
from hubctl.commands.care.bench import bits_of
from hubctl.main import hubctl
from hubterm.exits import INTERRUPTED, NOT_ALLOWED, UNREADABLE
from tests.somebody import hubctl_as_somebody
from tests.unit.test_bluez_radio import Rig, a_bus

pytestmark = pytest.mark.once

SECONDS = 60.0


def bench(state: Path, *words: str) -> Result:
    command = ["bench", "--state", str(state), "--rsa-bits", "2048"]
    return CliRunner().invoke(hubctl, [*command, *words])


def test_each_step_has_its_figures(tmp_path: Path, nicer: list[int]) -> None:
    told = json.loads(bench(tmp_path, "--json").stdout)
    assert nicer == [15], "hubd comes first"
    found = {one["id"]: one for one in told["figures"]}
    assert set(found) == {"fsync", "commit", "aes", "ecdsa", "rsa", "rsa-key", "bluez"}
    for name in ("fsync", "commit", "aes", "ecdsa", "rsa"):
        assert COUNT_MIN <= found[name]["count"] <= COUNT_MAX
        assert 0 < found[name]["median_ms"] <= found[name]["p99_ms"]
    waited_for = {name for name, one in found.items() if one["each"]}
    assert waited_for >= {"commit", "aes", "ecdsa", "rsa"}
    total = sum(one["each"] * (one["p99_ms"] or 0) for one in found.values())
    assert told["unlock_ms"] == pytest.approx(total, abs=0.1)
    assert told["budget_ms"] == BUDGET_MS
    assert list(tmp_path.iterdir()) == []


def test_for_people_each_figure_says_what_it_means(tmp_path: Path) -> None:
    result = bench(tmp_path)
    for said in ("an unlock", "before the door moves", "RSA-2048", "of 500 ms"):
        assert said in result.stdout


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("[protocol]\nrsa_bits = 2048\n", 2048),
        ("[protocol]\nrsa_bits = 4096\n", 4096),
        ("[protocol]\nrsa_bits = 7\n", 3072),
        ("[hub]\n", 3072),
        ("no TOML", 3072),
    ],
)
def test_keys_are_as_large_as_the_configuration_has_them(
    tmp_path: Path, text: str, bits: int
) -> None:
    (tmp_path / "hubd.toml").write_text(text)
    assert bits_of(tmp_path / "hubd.toml") == bits
    assert bits_of(tmp_path / "none.toml") == 3072


def test_where_it_cannot_be_measured(tmp_path: Path) -> None:
    result = bench(tmp_path / "none", "--json")
    assert (result.exit_code, result.stdout) == (UNREADABLE, "")
    assert "hubctl bench --state ." in json.loads(result.stderr)["error"]["message"]
    plain = bench(tmp_path / "none")
    assert (plain.exit_code, plain.stdout) == (UNREADABLE, "")
    assert "on another machine name a folder" in plain.stderr


def test_what_the_error_names_works_on_a_machine_that_is_no_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = bench(Path("."), "--json")
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["state_directory"] == "."
    assert list(tmp_path.iterdir()) == []


def test_who_may_not_write_is_told_to_use_sudo(tmp_path: Path) -> None:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    if os.geteuid():
        pytest.skip("only root can become another user")
    done = hubctl_as_somebody("bench", "--state", str(tmp_path))
    assert (done.returncode, done.stdout) == (NOT_ALLOWED, "")
    assert "sudo hubctl bench" in done.stderr


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    words = ["bench", "--state", str(tmp_path), "--rsa-bits", "2048"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hubctl.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        while not list(tmp_path.glob(f"{FOLDER}*/file")):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (INTERRUPTED, b"", b"")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_goes_also_when_something_breaks(tmp_path: Path) -> None:
    def broken() -> None:
        with folder_on(tmp_path) as folder:
            (folder / "file").touch()
            raise OSError

    with pytest.raises(OSError):
        broken()
    assert list(tmp_path.iterdir()) == []


class Clock:
    """Goes on by as much each time as it is told."""

    def __init__(self, step: float) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.mark.parametrize(("step", "count"), [(10.0, COUNT_MIN), (0.0001, COUNT_MAX)])
def test_a_measurement_has_an_end_and_leaves_room(step: float, count: int) -> None:
    done: list[int] = []
    pauses: list[float] = []
    took = timed(lambda: done.append(1), clock=Clock(step), pause=pauses.append, seconds=1.0)
    assert len(took) == len(pauses) == count
    assert len(done) == count + 1  # with the warm-up
    assert took == pytest.approx([1000 * step] * count)


def figure(each: int, *times_ms: float, why: str = "") -> Figure:
    return Figure("x", "x", each, times_ms, why)


@pytest.mark.parametrize(
    ("one", "state"),
    [
        (figure(1, 100.0), "ok"),
        (figure(1, 100.1), "warning"),
        (figure(1, 250.0), "warning"),
        (figure(1, 250.1), "failed"),
        (figure(3, 40.0), "warning"),
        (figure(1, 1.0, 300.0), "failed"),
        (figure(0, 9000.0), "ok"),
        (figure(0, why="no adapter"), "unknown"),
    ],
)
def test_the_verdict_goes_by_the_slow_end(one: Figure, state: str) -> None:
    assert one.state == state


def test_an_unlock_is_the_sum_of_what_it_waits_for() -> None:
    figures = [figure(1, 10.0, 20.0), figure(3, 5.0), figure(0, 900.0), figure(0, why="no")]
    assert unlock_ms(figures) == 35.0
    assert worst([*figures, figure(1, 120.0)]) == "warning"
    assert unlock_ms([*figures, figure(1, why="no")]) is None
    assert worst([*figures, figure(1, why="no")]) == "unknown"


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.01, 1.0))
def test_a_quantile_is_one_of_the_values_and_is_not_exceeded_by_its_part(
    values: list[float], part: float
) -> None:
    found = quantile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-6


def test_without_a_bus_it_says_so(tmp_path: Path) -> None:
    (told,) = radio_steps(f"unix:path={tmp_path / 'none'}")
    assert (told.state, told.p99_ms) == ("unknown", None)
    assert "BlueZ does not answer" in told.why


async def on_a_bus(folder: Path, work: Callable[[str], Figure], is_there: bool) -> Figure:
    async with a_bus(folder) as address:
        rig = Rig(address, folder / "bus.services")
        async with rig.bluetoothd(lambda fake: fake.adapter() if is_there else None):
            return await asyncio.to_thread(work, address)


def test_the_way_to_bluez_is_measured(tmp_path: Path) -> None:
    if shutil.which("dbus-daemon") is None:
        pytest.skip("needs dbus-daemon: apt-get install dbus-daemon")

    def measured(address: str) -> Figure:
        (told,) = radio_steps(address)
        return told

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    there = asyncio.run(on_a_bus(tmp_path / "a", measured, is_there=True))
    assert (there.why, len(there.times_ms) > 0, there.each) == ("", True, 2)
    none = asyncio.run(on_a_bus(tmp_path / "b", measured, is_there=False))
    assert (none.why, none.state) == ("BlueZ has no adapter", "unknown")
