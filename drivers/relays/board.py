"""What a relay board can do, in the words that its protocol gives to the driver.

Laws of a protocol (tests/unit/test_relays.py, and tests/ports/test_device.py for all kinds):
1. It is called in the thread of its line, and every call ends within the line's own time.
2. What a board answers is checked; any other answer raises HardwareError.
3. A board that has no read-back says None. Nobody guesses for it.
4. `probe` changes no relay.
"""

from __future__ import annotations

from typing import Protocol

from hubcore.errors import HardwareError


class WrongBoardError(HardwareError):
    """Something answers that is no board of the configured kind, or nothing does."""


class StuckError(HardwareError):
    """The board answers, and a relay did not do what it was told."""


class Port(Protocol):
    """A serial line as pyserial has it: reads end after the line's timeout."""

    def write(self, data: bytes, /) -> int | None:
        """Write all of it."""

    def read(self, size: int, /) -> bytes:
        """Read `size` bytes, fewer when the time is over."""

    def read_until(self, expected: bytes, size: int) -> bytes:
        """Read up to and with `expected`, at most `size` bytes, less when the time is over."""

    def reset_input_buffer(self) -> None:
        """Forget what came before."""


class RelayBoard(Protocol):
    """One board behind a port. Relays count from 1, as they are printed on the boards."""

    reads_back: bool
    """Whether it tells how its relays stand."""
    pulses: bool
    """Whether it ends a pulse by itself."""

    def probe(self) -> None:
        """Return when a board of this kind answers, if it can. Raise WrongBoardError."""

    def switch(self, relay: int, on: bool) -> None:
        """Switch a relay. Raise HardwareError when the board does not confirm what it can."""

    def state(self, relay: int) -> bool | None:
        """Return how a relay stands, None when the board cannot tell. Raise HardwareError."""

    def pulse(self, relay: int, tenths: int) -> None:
        """Switch a relay on for tenths of a second. Raise HardwareError."""
