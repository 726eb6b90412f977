"""A start that is refused: its exit status, and its sentence, which stays in `systemctl status`."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hubsim import site as sites

NOTIFIED_BYTES_MAX = 4096
"""What systemd takes in one message."""


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[socket.socket]:
    """Where the service manager listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.setblocking(False)
        yield made


def _hub(folder: Path) -> Path:
    """A hub on a desk that is right."""
    made = sites.init(folder / "site")
    return sites.write_config(made, "tcp://127.0.0.1:4505", [sites.DeskDoor()])


def _start(file: Path, ear: socket.socket) -> tuple[int, str, str]:
    """Start hubd, which ends; return its status, what it printed, and what systemd keeps as the
    unit's status.
    """
    environment = {**os.environ, "NOTIFY_SOCKET": ear.getsockname()}
    command = [sys.executable, "-m", "hubd", "--config", str(file)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stderr.strip(), ear.recv(NOTIFIED_BYTES_MAX).decode()


def test_a_wrong_configuration_stands_in_the_status_of_the_unit(
    tmp_path: Path, ear: socket.socket
) -> None:
    file = _hub(tmp_path)
    file.write_text(file.read_text().replace("time_zone", "time_zome"))
    status, printed, told = _start(file, ear)
    assert status == 78
    assert "time_zome" in printed
    assert told == "STATUS=" + printed.removeprefix("hubd: ")


def test_a_state_that_cannot_be_used_stands_in_the_status_of_the_unit(
    tmp_path: Path, ear: socket.socket
) -> None:
    file = _hub(tmp_path)
    state = file.parent / "state"
    state.mkdir(mode=0o700)
    (state / "audit.db").write_bytes(b"no database " * 400)
    (state / "audit.db").chmod(0o600)
    status, printed, told = _start(file, ear)
    assert status == 73
    assert "audit.db" in printed
    assert told == "STATUS=" + " ".join(printed.removeprefix("hubd: ").split())
