"""LCUS boards (LC Tech, CH340, 9600 8N1): four bytes a command, and text for the state.

A command is `A0 relay state sum`, where sum is that of the three bytes before it, modulo 256.
Boards of two and more relays answer `FF` with a line a relay, such as `CH1: ON`. The board of one
relay answers nothing at all.

Source: the READMEs of jarwyg/USB_RELAY and Brasme/usb_ch340_4x_relay_control. No LCUS board was
at hand: tried with a simulated one only.
"""

from __future__ import annotations

import re
import time

from drivers.relays.board import Port, StuckError, WrongBoardError
from hubcore.errors import HardwareError

BAUD = 9600
STATUS = b"\xff"
STATUS_BYTES_MAX = 256
STATUS_SECONDS = 0.5
"""How long lines of one answer are waited for; 32 lines take 0.3 s at this speed."""
_LINE = re.compile(rb"CH(\d{1,2}): ?(ON|OFF)")


def command(relay: int, on: bool) -> bytes:
    """Return the bytes that switch a relay."""
    head = bytes((0xA0, relay, on))
    return head + bytes((sum(head) % 256,))


class LcusBoard:
    """A board of `relays` relays."""

    pulses = False

    def __init__(self, port: Port, relays: int) -> None:
        self._port = port
        self._relays = relays
        self.reads_back = relays > 1

    def probe(self) -> None:
        """Ask for the state. A board of one relay answers nothing, and is believed."""
        if self.reads_back:
            self._states()

    def switch(self, relay: int, on: bool) -> None:
        """Switch a relay, and read back where the board can tell."""
        self._port.write(command(relay, on))
        if self.state(relay) not in (None, on):
            raise StuckError(f"relay {relay} of the LCUS board did not switch")

    def state(self, relay: int) -> bool | None:
        """Return how a relay stands, None on a board of one relay."""
        return self._states()[relay] if self.reads_back else None

    def pulse(self, relay: int, tenths: int) -> None:
        """Raise HardwareError: it has no timer of its own."""
        raise HardwareError("an LCUS board cannot end a pulse by itself")

    def _states(self) -> dict[int, bool]:
        self._port.reset_input_buffer()
        self._port.write(STATUS)
        answer = b""
        ends_at = time.monotonic() + STATUS_SECONDS
        for _ in range(self._relays):
            line = self._port.read_until(b"\n", STATUS_BYTES_MAX)
            answer += line
            if not line.endswith(b"\n") or time.monotonic() > ends_at:
                break
        states = {int(number): state == b"ON" for number, state in _LINE.findall(answer)}
        if set(states) != set(range(1, self._relays + 1)):
            raise WrongBoardError(
                f"no LCUS board of {self._relays} relays answers here, but {answer[:32]!r}"
            )
        return states
