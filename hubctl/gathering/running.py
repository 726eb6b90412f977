"""Runs what may hang or never stop talking: programs of this machine, and functions of ours.

Laws:
1. Each has an end: a time limit, and a ceiling of what is taken of its output.
2. A program gets no environment but PATH and the plain locale, and no input.
3. A program that is ended takes its children along.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OUTPUT_BYTES_MAX = 1 << 20
READ_BYTES = 1 << 16
ENDS_WITH_US = ("/usr/bin/setpriv", "--pdeathsig", "KILL")
"""A program gets SIGKILL when the thread that started it ends, so that a Ctrl-C leaves none."""
NOT_FOUND = 127
"""The status of env(1) when there is no such program."""


class Output(NamedTuple):
    """What a program said. `trouble`: why that is not all, or not well; "" when it is."""

    text: str
    trouble: str = ""


Run = Callable[[Sequence[str], float], Output]
"""Takes the words of a command and its time limit in seconds."""


def run(
    command: Sequence[str],
    seconds: float,
    bytes_max: int = OUTPUT_BYTES_MAX,
    path: str = PATH,
) -> Output:
    """Run a program and return what it said on both streams; never raise for what it does."""
    environment = {"PATH": path, "LC_ALL": "C.UTF-8"}
    # the child is looked for along its own PATH
    try:
        process = subprocess.Popen(
            [*ENDS_WITH_US, "/usr/bin/env", *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        return Output("", f"{command[0]} cannot be run: {error.strerror or error}")
    try:
        said, trouble = _read(process, time.monotonic() + seconds, bytes_max)
    finally:
        status = _end(process)
    text = said.decode(errors="replace")
    if not trouble and status == NOT_FOUND:
        return Output("", f"{command[0]} is not installed")
    if not trouble and status:
        trouble = f"{command[0]} ended with status {status}"
    return Output(text, trouble)


def _read(process: subprocess.Popen[bytes], ends: float, bytes_max: int) -> tuple[bytes, str]:
    """Return the output, and why it is not all."""
    assert process.stdout is not None  # noqa: S101 - a pipe was asked for
    descriptor = process.stdout.fileno()
    said = bytearray()
    while True:
        left = ends - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return bytes(said), "it did not end in time"
        more = os.read(descriptor, READ_BYTES)
        if not more:
            return bytes(said), ""
        said += more
        if len(said) > bytes_max:
            return bytes(said[:bytes_max]), f"only the first {bytes_max} bytes were taken"


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a program that still runs, with its children, and return its status."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            _wait_a_moment(process)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    if process.stdout is not None:
        process.stdout.close()
    return process.wait()


def _wait_a_moment(process: subprocess.Popen[bytes]) -> None:
    """A program whose output has ended is about to end."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)


class TooLong(Exception):
    """A function did not end in time; it is left alone, and its result is not waited for."""


_Result = TypeVar("_Result")


class Begun(Generic[_Result]):
    """A function that runs on a thread of its own, which ends with this program.

    A read from a dead disk cannot be interrupted: hence nobody waits for the thread's end.
    """

    def __init__(self, function: Callable[[], _Result]) -> None:
        self._results: list[_Result] = []
        self._errors: list[Exception] = []
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._call, args=(function,), daemon=True)
        self._thread.start()

    def _call(self, function: Callable[[], _Result]) -> None:
        try:
            self._results.append(function())
        except Exception as error:
            self._errors.append(error)

    def result(self, seconds: float) -> _Result:
        """Return what it gives, so long after its begin at the latest.

        Raise TooLong, or what the function raised.
        """
        self._thread.join(max(0.0, self._since + seconds - time.monotonic()))
        if self._errors:
            raise self._errors[0]
        if not self._results:
            raise TooLong(f"it did not end within {seconds:g} s")
        return self._results[0]
