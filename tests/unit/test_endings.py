"""How signals end a program (`hubterm.endings`), tried in programs of their own."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

SECONDS = 60.0
CLEARS_UP = """
import signal, sys
from hubterm.endings import ending_by_exception
with ending_by_exception():
    try:
        print("begun", flush=True)
        sys.stdin.read()
    finally:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        print("cleared up", flush=True)
"""


def program(text: str, before: str = "") -> subprocess.Popen[bytes]:
    """Start it from a shell, which may have said something of signals before."""
    return subprocess.Popen(
        ["/bin/sh", "-c", f'{before} exec "$0" -c "$1"', sys.executable, text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_is_cleared_up_whole_and_ends_by_the_signal(number: int) -> None:  # laws 1 and 3
    with program(CLEARS_UP) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (-number, b"cleared up\n", b"")


def test_what_was_ignored_at_the_start_stays_so() -> None:  # law 2
    quiet = CLEARS_UP.replace("signal.raise_signal(signal.SIG", "str(signal.SIG")
    with program(quiet, "trap '' HUP;") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGHUP)
        out, err = process.communicate(b"", timeout=SECONDS)
    assert (process.returncode, out, err) == (0, b"cleared up\n", b"")
