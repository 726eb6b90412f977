"""The service manager of the machine whose real hubd is updated while somebody is killed.

What becomes of that machine, `make bench-updates` tells: an update takes it some seconds.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.handing.updates.unit import Unit, processes_of

pytestmark = pytest.mark.once

PROGRAM = """#!/bin/sh
exec {python} -c '
import os, socket, subprocess, sys, time
def say(what):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.sendto(what.encode(), os.environ["NOTIFY_SOCKET"])
{body}
'
"""
SLEEPS = "time.sleep(3600)"
WITH_ANOTHER = """other = subprocess.Popen(["sleep", "3600"])
say("READY=1")
say(f"MAINPID={other.pid}")
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: a socket lies below it."""
    with tempfile.TemporaryDirectory(prefix="hub") as made:
        yield Path(made)


class Rig:
    """A unit whose program is a few lines."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mains: list[int] = []
        self.stops = 0
        self.unit = Unit(
            name=str(folder),
            notify=folder / "notify",
            environment=os.environ,
            post=self._stopped,
            told=self.mains.append,
        )

    def _stopped(self) -> None:
        self.stops += 1

    def start(self, body: str) -> bool:
        program = self.folder / "program"
        program.write_text(PROGRAM.format(python=sys.executable, body=body))
        program.chmod(0o755)
        return self.unit.start([str(program)], self.folder)


@pytest.fixture
def rig(folder: Path) -> Iterator[Rig]:
    made = Rig(folder)
    yield made
    made.unit.close()


def test_a_unit_follows_the_process_that_its_main_one_names(rig: Rig) -> None:
    assert rig.start(WITH_ANOTHER + SLEEPS)
    while len(rig.mains) < 2:
        assert not rig.unit.has_ended()
    first, second = rig.mains
    os.kill(first, signal.SIGKILL)
    assert not rig.unit.has_ended()
    os.kill(second, signal.SIGKILL)
    while not rig.unit.has_ended():
        pass


def test_the_end_of_a_unit_ends_all_that_is_left_of_it(rig: Rig) -> None:
    assert rig.start('subprocess.Popen(["sleep", "3600"])\nsay("READY=1")\n' + SLEEPS)
    assert len(processes_of(str(rig.folder))) == 2
    rig.unit.stop()
    assert processes_of(str(rig.folder)) == []
    assert rig.stops == 1


def test_a_unit_hears_its_main_process_alone(rig: Rig) -> None:
    stranger = rig.folder / "stranger"
    stranger.write_text(PROGRAM.format(python=sys.executable, body='say("READY=1")'))
    stranger.chmod(0o755)
    assert not rig.start('subprocess.run(["./stranger"], check=True)\nsys.exit(3)')
