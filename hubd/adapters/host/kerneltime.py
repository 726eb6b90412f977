"""What the kernel knows of its own clock: whether a time service keeps it, and how wrong it may be.

A time service of any kind (systemd-timesyncd, chrony, ntpsec) tells the kernel. The kernel forgets
it when somebody sets the clock by hand, and when the service has been silent for hours: the
greatest possible error grows by 500 ppm and counts as unknown from 16 s on.

Laws:
1. It only asks (`adjtimex` without a mode), which needs no right.
2. Where the kernel gives no answer, nothing is known.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from hubcore.ports.clock import KernelTime

_STA_UNSYNC = 0x0040
_TIME_ERROR = 5
_MICROSECONDS = 1_000_000


class Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2), with its reserve at the end."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time_seconds", ctypes.c_long),
        ("time_fraction", ctypes.c_long),
        ("tick", ctypes.c_long),
        ("pps", ctypes.c_long * 9),
        ("reserve", ctypes.c_int * 12),
    )


def look(ask: Callable[[Timex], int] | None = None) -> KernelTime | None:
    """Ask the kernel; None when it does not answer."""
    said = Timex()
    try:
        state = _adjtimex(said) if ask is None else ask(said)
    except (OSError, AttributeError):  # no such function in this C library
        return None
    if state < 0:
        return None
    return KernelTime(
        synchronised=state != _TIME_ERROR and not said.status & _STA_UNSYNC,
        error_seconds_max=said.maxerror / _MICROSECONDS,
        error_seconds=said.esterror / _MICROSECONDS,
    )


def _adjtimex(said: Timex) -> int:
    state: int = ctypes.CDLL(None).adjtimex(ctypes.byref(said))
    return state
