"""SIGTERM and SIGHUP end a program as Ctrl-C does: by an exception, so that things are left whole.

A terminal that is closed and a connection that drops send SIGHUP.

Laws:
1. The program ends by the signal that came, once all that it had begun is cleared up.
2. A signal that was ignored at the start stays so (`nohup`).
3. Nothing but SIGKILL interrupts the clearing up.
4. It is no `Exception`, so that nothing takes it for trouble of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Ended(BaseException):
    """A signal that ends a program came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ending_by_exception(*more: signal.Signals) -> Iterator[None]:
    """Raise Ended where a signal comes, one of `more` too. After the block end by it."""
    taken = [one for one in (*SIGNALS, *more) if signal.getsignal(one) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, _end)
    try:
        yield
    except Ended as ended:
        signal.signal(ended.number, signal.SIG_DFL)
        signal.raise_signal(ended.number)
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: FrameType | None) -> NoReturn:
    for other in (signal.SIGINT, *SIGNALS):
        signal.signal(other, signal.SIG_IGN)
    raise Ended(number)
