"""Relays on Modbus RTU, in the way of Waveshare's modules: coils, and a pulse of the board's own.

Function 05 switches coil `relay - 1`, function 01 reads it. Function 05 to the address
`0x0200 + relay - 1` switches it on for `value` tenths of a second: the module ends the pulse, so
a strike can hang on it.

Source: MODBUS Application Protocol V1.1b3, sections 6.1 and 6.5; waveshare.com/wiki/
Modbus_RTU_Relay for the pulse. No module was at hand: tried with a simulated one only.
"""

from __future__ import annotations

from typing import Any

import minimalmodbus

from drivers.relays.board import StuckError, WrongBoardError
from hubcore.errors import HardwareError

BAUD = 9600
_WRITE_COIL = 5
_FLASH_ON = 0x0200


class ModbusBoard:
    """One module by its address (1..247) on a line that it may share with others."""

    reads_back = True
    pulses = True

    def __init__(self, port: Any, relays: int, address: int) -> None:
        self._module = minimalmodbus.Instrument(port, address)
        self._relays = relays
        self._address = address

    def probe(self) -> None:
        """Read all coils."""
        try:
            self._module.read_bits(0, self._relays, functioncode=1)
        except (OSError, ValueError) as error:
            raise WrongBoardError(self._sentence(error)) from error

    def switch(self, relay: int, on: bool) -> None:
        """Switch a relay and read it back."""
        try:
            self._module.write_bit(relay - 1, int(on))
        except (OSError, ValueError) as error:
            raise HardwareError(self._sentence(error)) from error
        if self.state(relay) is not on:
            raise StuckError(f"relay {relay} of the module did not switch")

    def state(self, relay: int) -> bool | None:
        """Return how a relay stands."""
        try:
            return bool(self._module.read_bit(relay - 1, functioncode=1))
        except (OSError, ValueError) as error:
            raise HardwareError(self._sentence(error)) from error

    def pulse(self, relay: int, tenths: int) -> None:
        """Switch a relay on for tenths of a second; the module's own timer ends it."""
        coil = _FLASH_ON + relay - 1
        request = coil.to_bytes(2) + tenths.to_bytes(2)
        try:
            # the library's way to functions and values of a module's own
            echo = self._module._perform_command(_WRITE_COIL, request)
        except (OSError, ValueError) as error:
            raise HardwareError(self._sentence(error)) from error
        if echo != request:
            raise HardwareError(f"the module at {self._address} did not confirm a pulse")
        if self.state(relay) is not True:
            raise StuckError(f"relay {relay} of the module did not switch")

    def _sentence(self, error: Exception) -> str:
        return f"the Modbus module at address {self._address}: {error}"
