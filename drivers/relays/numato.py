"""Numato USB relay modules (CDC-ACM): lines of text, ended by CR, with a prompt after each answer.

`relay on 0`, `relay off 0` and `relay read 0` (answer `on` or `off`); relays count from 0 on the
wire, with A, B, ... after 9. `ver` answers the firmware's version.

Source: the commands of the package numato-usb-relay. No Numato module was at hand: tried with a
simulated one only.
"""

from __future__ import annotations

from drivers.relays.board import Port, StuckError, WrongBoardError
from hubcore.errors import HardwareError

BAUD = 19_200
ANSWER_BYTES_MAX = 256
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"


class NumatoBoard:
    """A module with a prompt."""

    reads_back = True
    pulses = False

    def __init__(self, port: Port, relays: int) -> None:
        self._port = port
        self._relays = relays

    def probe(self) -> None:
        """Ask for the firmware's version."""
        version = self._ask("ver")
        if not version.isdigit():
            raise WrongBoardError(f"no Numato module answers here, but {version[:32]!r}")

    def switch(self, relay: int, on: bool) -> None:
        """Switch a relay and read it back."""
        self._ask(f"relay {'on' if on else 'off'} {_DIGITS[relay - 1]}")
        if self.state(relay) is not on:
            raise StuckError(f"relay {relay} of the Numato module did not switch")

    def state(self, relay: int) -> bool | None:
        """Return how a relay stands."""
        answer = self._ask(f"relay read {_DIGITS[relay - 1]}")
        if answer not in ("on", "off"):
            raise WrongBoardError(f"no Numato module answers here, but {answer[:32]!r}")
        return answer == "on"

    def pulse(self, relay: int, tenths: int) -> None:
        """Raise HardwareError: it has no timer of its own."""
        raise HardwareError("a Numato module cannot end a pulse by itself")

    def _ask(self, line: str) -> str:
        """Return the answer without the echo of the question and without the prompt."""
        self._port.reset_input_buffer()
        self._port.write(line.encode() + b"\r")
        answer = self._port.read_until(b">", ANSWER_BYTES_MAX)
        if not answer.endswith(b">"):
            raise WrongBoardError(f"no Numato module answers here, but {answer[:32]!r}")
        text = answer[:-1].decode("ascii", "replace").strip()
        return text.removeprefix(line).strip()
