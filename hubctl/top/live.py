"""Asks and shows until somebody ends it: on a screen, as a line for each change, or as documents.

Laws:
1. It ends with the status of what was seen last, by `q` and by Ctrl-C.
2. It goes on while the hub is down, and says so.
3. A screen is drawn at most once a second by itself; a key and a new size are answered at once.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from hubctl.answers import print_json
from hubctl.top.asking import ASK_SECONDS, Asker, Asking
from hubctl.top.shown.boxes import boxes
from hubctl.top.shown.keys import Key, State, View, press
from hubctl.top.shown.lines import lines
from hubctl.top.shown.plain import Told
from hubctl.top.shown.seen import Seen
from hubctl.top.shown.spans import Signs
from hubctl.top.shown.trace import unlocks_of
from hubterm.exits import NO_ANSWER
from hubterm.output import descriptor, reader_gone

if TYPE_CHECKING:
    from hubctl.top.screen import Screen

STDIN = 0
STDOUT = 1
WAKE_BYTES = 4096
IN_TURN = (signal.SIGWINCH, signal.SIGTSTP)


def documents(path: Path) -> NoReturn:
    """Print a document for each asking."""
    _print_each(path, lambda seen: print_json(_document(seen)))


def changes(path: Path, signs: Signs) -> NoReturn:
    """Print a line for each change."""
    told = Told(signs)

    def show(seen: Seen) -> None:
        for line in told.lines(seen, time.time()):
            print(line, flush=True)

    _print_each(path, show)


def _print_each(path: Path, show: Callable[[Seen], None]) -> NoReturn:
    asker = Asker(path)
    exit_status = NO_ANSWER
    try:
        while True:
            begun = time.monotonic()
            seen = asker.ask()
            exit_status = seen.exit_status  # before it is shown: Ctrl-C may come at once
            show(seen)
            _wait(begun + ASK_SECONDS - time.monotonic())
    except KeyboardInterrupt:
        sys.exit(exit_status)


def _wait(seconds: float) -> None:
    """Wait; end hubctl when nobody reads any longer what is printed."""
    waiting = select.poll()
    output = descriptor()
    if output is not None:
        waiting.register(output, 0)  # poll tells its end unasked: POLLERR, POLLHUP
    if waiting.poll(max(seconds, 0.0) * 1000):
        reader_gone()


def _document(seen: Seen) -> dict[str, Any]:
    if seen.trouble:
        return {"error": {"code": seen.code, "message": seen.trouble}}
    return {
        "status": seen.status,
        "measured": seen.measured,
        "radio": seen.radio,
        "trace": seen.trace,
    }


def full_screen(path: Path, signs: Signs, *, coloured: bool) -> NoReturn:
    """Draw a screen until `q` or Ctrl-C."""
    from hubctl.top.screen import screen

    live = Live(signs)
    with (
        contextlib.suppress(KeyboardInterrupt),
        _woken() as (woken, wake),
        Asking(Asker(path), wake) as asking,
        screen(coloured=coloured) as shown,
    ):
        live.run(shown, asking, woken)
    sys.exit(live.exit_status)


class Live:
    """What is on the screen now, and what was seen last."""

    def __init__(self, signs: Signs) -> None:
        self._signs = signs
        self._state = State()
        self._seen: Seen | None = None

    @property
    def exit_status(self) -> int:
        """How hubctl ends now."""
        return NO_ANSWER if self._seen is None else self._seen.exit_status

    def run(self, shown: Screen, asking: Asking, woken: int) -> None:
        """Draw until `q`. `woken` gets a byte for each answer, and the number of each signal."""
        self._draw(shown)
        while not self._state.ended:
            came = _wait_for_any(woken)
            before = (self._state, self._seen)
            sent_anew = signal.SIGWINCH in came or signal.SIGTSTP in came
            if signal.SIGTSTP in came:
                shown.suspend(STDOUT)
            elif signal.SIGWINCH in came:
                shown.resize(STDOUT)
            for key in shown.pressed():
                self._press(key)
            in_trace = self._state.view is View.TRACE
            asking.door = self._state.chosen if in_trace else ""
            self._seen = asking.newest()
            if sent_anew or before != (self._state, self._seen):
                self._draw(shown)

    def _press(self, key: Key | str) -> None:
        seen = self._seen or Seen(NO_ANSWER)
        doors = boxes(seen, self._state.filter, self._signs).doors
        unlocks = len(unlocks_of(seen, self._state.chosen))
        self._state = press(self._state, key, doors, unlocks)

    def _draw(self, shown: Screen) -> None:
        width, height = shown.size()
        shown.show(lines(self._seen, self._state, width, height, self._signs))


def _wait_for_any(woken: int) -> bytes:
    """Wait for a key or a byte of `woken`; return such bytes. End hubctl without its terminal."""
    waiting = select.poll()
    waiting.register(STDIN, select.POLLIN)
    waiting.register(woken, select.POLLIN)
    ready = dict(waiting.poll())
    if ready.get(STDIN, 0) & ~select.POLLIN:
        reader_gone()
    return os.read(woken, WAKE_BYTES) if woken in ready else b""


@contextlib.contextmanager
def _woken() -> Iterator[tuple[int, int]]:
    """Yield both ends of a pipe; the number of each signal comes into it.

    So those that curses would handle by itself, in whichever thread, come in their turn.
    """
    woken, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    former = {number: signal.signal(number, lambda *_: None) for number in IN_TURN}
    before = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        yield woken, wake
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in former.items():
            signal.signal(number, handler)
        os.close(woken)
