"""The terminal, by curses: lines go out, keys come in. The only module that knows curses.

Laws:
1. Only cells that changed are sent: curses compares each screen with the one before.
2. However it ends, the terminal is as it was: by an exception, Ctrl-C, Ctrl-\\, SIGTERM or
   SIGHUP, too.
3. A size of 0 times 0 is one that nobody told: curses takes the size from the terminal's name.
"""

from __future__ import annotations

import curses
import locale
import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from hubctl.top.shown.keys import Key
from hubctl.top.shown.spans import Line, Style, width_of
from hubterm.endings import SIGNALS, ending_by_exception

ESCAPE_MILLISECONDS = 50
"""How long a key's code may take after its Esc."""
CELLS_MAX = 1000
"""Across or down. Where there are too many, curses ends the program by itself."""
REDRAW = "\x0c"
"""Ctrl-L."""
KEYS: dict[int | str, Key] = {
    curses.KEY_UP: Key.UP,
    curses.KEY_DOWN: Key.DOWN,
    curses.KEY_PPAGE: Key.PAGE_UP,
    curses.KEY_NPAGE: Key.PAGE_DOWN,
    curses.KEY_HOME: Key.HOME,
    curses.KEY_END: Key.END,
    curses.KEY_LEFT: Key.LEFT,
    curses.KEY_ENTER: Key.ENTER,
    curses.KEY_BACKSPACE: Key.BACKSPACE,
    "\n": Key.ENTER,
    "\r": Key.ENTER,
    "\x1b": Key.ESCAPE,
    "\x7f": Key.BACKSPACE,
    "\b": Key.BACKSPACE,
}
COLOURS = {
    Style.GOOD: curses.COLOR_GREEN,
    Style.WARNING: curses.COLOR_YELLOW,
    Style.ERROR: curses.COLOR_RED,
}
ATTRIBUTES = {
    Style.PLAIN: curses.A_NORMAL,
    Style.TITLE: curses.A_BOLD,
    Style.GOOD: curses.A_NORMAL,
    Style.WARNING: curses.A_BOLD,
    Style.ERROR: curses.A_BOLD,
    Style.DIM: curses.A_DIM,
    Style.CHOSEN: curses.A_REVERSE,
}
GIVES_BACK = (signal.SIGINT, signal.SIGQUIT, *SIGNALS)
"""What must not interrupt that the terminal is given back."""


class Screen:
    """A window as large as the terminal. Made by `screen`."""

    def __init__(self, window: curses.window, *, coloured: bool) -> None:
        self._window = window
        self._looks = dict(ATTRIBUTES)
        if coloured:
            self._looks |= _colours()

    def size(self) -> tuple[int, int]:
        """Return width and height."""
        height, width = self._window.getmaxyx()
        return width, height

    def resize(self, output: int) -> None:
        """Take the size that the terminal has now, and send everything again."""
        width, height = os.get_terminal_size(output)
        if 0 < width <= CELLS_MAX and 0 < height <= CELLS_MAX:
            curses.resizeterm(height, width)
        self._window.clear()

    def suspend(self, output: int) -> None:
        """Give the terminal to the shell, as Ctrl-Z asks for; draw again when it comes back."""
        curses.def_prog_mode()
        curses.endwin()
        former = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # here the process stands still until somebody types fg
        signal.signal(signal.SIGTSTP, former)
        self._window.refresh()
        self.resize(output)

    def show(self, lines: Sequence[Line]) -> None:
        """Show these lines in place of those before."""
        self._window.erase()
        for row, line in enumerate(lines):
            column = 0
            for span in line:
                # the last cell of a screen cannot be written without an error, but it is written
                with suppress(curses.error):
                    self._window.addstr(row, column, span.text, self._looks[span.style])
                column += width_of(span.text)
        self._window.refresh()

    def pressed(self) -> Iterator[Key | str]:
        """Yield the keys that were pressed since; Ctrl-L sends everything again."""
        while True:
            try:
                typed = self._window.get_wch()
            except curses.error:
                return
            if typed == REDRAW:
                self._window.redrawwin()
                self._window.refresh()
            elif typed in KEYS:
                yield KEYS[typed]
            elif isinstance(typed, str):
                yield typed


@contextmanager
def screen(*, coloured: bool) -> Iterator[Screen]:
    """Take the terminal, and give it back as it was, whatever happens."""
    with suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, "")
    former = {number: signal.getsignal(number) for number in GIVES_BACK}
    with ending_by_exception(signal.SIGQUIT):
        window = curses.initscr()
        try:
            curses.noecho()
            curses.cbreak()
            curses.set_escdelay(ESCAPE_MILLISECONDS)
            window.keypad(True)
            window.nodelay(True)
            with suppress(curses.error):
                curses.curs_set(0)
            yield Screen(window, coloured=coloured)
        finally:
            _give_back(window)
            for number, handler in former.items():
                signal.signal(number, handler)


def can_move(name: str, output: int) -> bool:
    """Tell whether the cursor of a terminal of this name can be moved."""
    try:
        curses.setupterm(name, output)
    except curses.error:
        return False
    return bool(curses.tigetstr("cup"))


def is_too_large(environment: Mapping[str, str], output: int) -> bool:
    """Tell whether a terminal says that it has too many cells; curses asks the environment, too."""
    told = [environment.get(name, "")[:9] for name in ("COLUMNS", "LINES")]
    sizes = [*os.get_terminal_size(output), *(int(one) for one in told if one.isdecimal())]
    return max(sizes) > CELLS_MAX


def _give_back(window: curses.window) -> None:
    """Make the terminal what it was. No signal interrupts that: people press Ctrl-C twice."""
    for number in GIVES_BACK:
        signal.signal(number, signal.SIG_IGN)
    for end in (lambda: window.keypad(False), lambda: curses.curs_set(1), curses.endwin):
        with suppress(curses.error):
            end()


def _colours() -> dict[Style, int]:
    """Return how the styles look that have a colour; none on a terminal without."""
    if not curses.has_colors():
        return {}
    curses.start_color()
    behind = -1
    try:
        curses.use_default_colors()
    except curses.error:
        behind = curses.COLOR_BLACK
    looks = {}
    for pair, (style, colour) in enumerate(COLOURS.items(), start=1):
        curses.init_pair(pair, colour, behind)
        looks[style] = curses.color_pair(pair) | ATTRIBUTES[style]
    return looks
