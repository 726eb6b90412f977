"""Which terminal this is: whether a screen can be drawn on it, and with which signs.

Laws:
1. A screen needs a terminal on both sides, cursor movement, and a line that is not slow.
2. UTF-8 is what the user's own environment says. Python makes C.UTF-8 of C by itself, which says
   nothing of the terminal.
3. The console of Linux gets ASCII: its fonts have no low bars.
"""

from __future__ import annotations

import os
import termios
from collections.abc import Mapping
from typing import NamedTuple

from hubctl.top.shown.spans import ASCII, UTF8, Signs
from hubterm.output import TERMINALS_PLAIN

CONSOLE = "linux"
_SPEEDS = (50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19_200)
_BAUD_OF = {getattr(termios, f"B{speed}"): speed for speed in _SPEEDS}
"""The slow speeds, by the number that the kernel has for each."""
_OUTPUT_SPEED = 5
"""Where `tcgetattr` has it."""
_MADE_BY_PYTHON = ("C.UTF-8", "C.utf8", "UTF-8")
_NO_LANGUAGE = ("", "C", "POSIX")


class Reason(NamedTuple):
    """Why no screen is drawn. `may_be_slow`: it could be, if somebody wants to wait."""

    says: str
    may_be_slow: bool = False


def why_plain(environment: Mapping[str, str], input_: int, output: int) -> Reason | None:
    """Return why this terminal gets one line a change; None when it gets a screen."""
    if not (os.isatty(input_) and os.isatty(output)):
        return Reason("there is no terminal")
    name = environment.get("TERM", "")
    if name in TERMINALS_PLAIN:
        return Reason(f"TERM is {name or 'not set'}")
    from hubctl.top.screen import can_move, is_too_large

    if not can_move(name, output):
        return Reason(f"no screen is known for TERM={name}; try: TERM=xterm hubctl top")
    if is_too_large(environment, output):
        return Reason("the terminal says that it is larger than any")
    baud = slow_baud(output)
    if baud is not None:
        return Reason(f"the line is slow ({baud} baud)", may_be_slow=True)
    return None


def slow_baud(output: int) -> int | None:
    """Return the speed of a slow line; None for any other."""
    try:
        return _BAUD_OF.get(termios.tcgetattr(output)[_OUTPUT_SPEED])
    except termios.error:
        return None


def signs_of(environment: Mapping[str, str]) -> Signs:
    """Return what a terminal in this environment can draw."""
    if environment.get("TERM") == CONSOLE:
        return ASCII
    whole = environment.get("LC_ALL", "")
    language = environment.get("LANG", "")
    characters = environment.get("LC_CTYPE", "")
    if characters in _MADE_BY_PYTHON and language in _NO_LANGUAGE:
        characters = ""
    said = (whole or characters or language).upper().replace("-", "")
    return UTF8 if said.partition("@")[0].endswith("UTF8") else ASCII
