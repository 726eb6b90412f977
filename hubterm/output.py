"""Where the programs print, and what becomes of one when nobody takes its output.

Laws:
1. A reader that has gone ends a tool as it ends every tool: by SIGPIPE (141 in a shell).
2. Output that cannot be written for another reason, such as a full disk, is one sentence and exit
   status 74.
3. Standard error that cannot be written changes neither what the program does nor its exit status.
4. A stream that was closed at the start stays unused: no file or socket gets its number.
5. What is said on standard error cannot steer a terminal.
6. A bug of a tool ends it with its traceback and exit status 70, which means nothing else.
"""

from __future__ import annotations

import io
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn, TextIO, TypeVar

from hubterm.exits import CANNOT_PRINT, SOFTWARE

TERMINALS_PLAIN = ("", "dumb", "unknown")
"""What a terminal is called that can neither draw nor colour."""
_STDOUT = 1
_STDERR = 2
_Result = TypeVar("_Result")


class OutputError(Exception):
    """Standard output takes nothing more.

    It is no OSError, so that nobody takes it for trouble with another file.
    """


class _Checked(io.FileIO):
    """A stream that raises OutputError once, when it takes nothing more, and then drops all."""

    broken = False

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write all that goes at once; wait while the other end is full and does not block."""
        if self.broken:
            return len(data)
        try:
            sent = super().write(data)
            while sent is None:
                _wait_for_room(self.fileno())
                sent = super().write(data)
        except OSError as error:
            self.broken = True
            why = error.strerror or str(error)
            raise OutputError(why) from error
        return sent


class _Forgiving(io.FileIO):
    """A stream that drops what it cannot write."""

    def write(self, data: bytes) -> int:  # type: ignore[override]
        """Write, or pretend to."""
        try:
            sent = super().write(data)
        except OSError:
            return len(data)
        if sent is None:
            return len(data)
        return sent


def prepare() -> None:
    """Make the standard streams keep the laws. Call it first in a program's `main`."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # takes the lowest free number, which is this one
            unused = os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(unused, True)
    output = _Checked(_STDOUT, "w", closefd=False)
    errors = _Forgiving(_STDERR, "w", closefd=False)
    sys.stdout = _text(output, sys.stdout)
    sys.stderr = _text(errors, sys.stderr, by_line=True)


def as_tool(program: str, run: Callable[[], _Result]) -> _Result:
    """Run what prints and ends; end the program when its output cannot be written, or by a bug.

    `prepare` must have been called. While this runs, SIGPIPE has its default effect.
    """
    former = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        try:
            return run()
        finally:
            sys.stdout.flush()
    except OutputError as error:
        complain(f"{program}: the output cannot be written: {error}")
        sys.exit(CANNOT_PRINT)
    except Exception:
        import traceback  # only a bug needs it

        traceback.print_exc()
        sys.exit(SOFTWARE)
    finally:
        signal.signal(signal.SIGPIPE, former)


def can_draw(stream: TextIO) -> bool:
    """Tell whether a stream is a terminal that can draw over what it shows."""
    return stream.isatty() and os.environ.get("TERM", "") not in TERMINALS_PLAIN


def complain(sentence: str) -> None:
    """Say a sentence on standard error; what is not printable in it is escaped."""
    shown = "".join(map(_printable, sentence))
    print(shown, file=sys.stderr, flush=True)  # noqa: T201 - this is where programs speak


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return ascii(character)[1:-1]


def descriptor() -> int | None:
    """Return what is printed to; None when there is none."""
    try:
        return sys.stdout.fileno()
    except (OSError, ValueError):
        return None


def reader_gone() -> NoReturn:
    """End this program by SIGPIPE: the reader of its output has gone."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.raise_signal(signal.SIGPIPE)
    sys.exit(128 + signal.SIGPIPE)  # where the signal is blocked


def _text(stream: io.FileIO, former: TextIO | None, by_line: bool = False) -> io.TextIOWrapper:
    """Return a text stream in the encoding of the former one; None: its descriptor was closed."""
    encoding = "utf-8"
    if former is not None:
        encoding = former.encoding
    return io.TextIOWrapper(
        io.BufferedWriter(stream),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=by_line or stream.isatty(),
    )


def _wait_for_room(descriptor: int) -> None:
    room = select.poll()
    room.register(descriptor, select.POLLOUT)
    room.poll()
