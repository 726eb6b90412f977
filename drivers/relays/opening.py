"""How a serial line is opened, and which kinds of boards may hang on it.

Laws:
1. A line is opened for us alone (`exclusive`).
2. Every read and write on it ends within ANSWER_SECONDS.
3. A board that has no timer of its own is refused as a strike: who would end the pulse?
"""

from __future__ import annotations

import termios
from enum import StrEnum
from typing import Any

import serial

from drivers.relays import lcus, modbus, numato
from drivers.relays.board import RelayBoard
from drivers.relays.boards import OpenPort
from hubcore.errors import HardwareError

ANSWER_SECONDS = 0.5


class BoardKind(StrEnum):
    """The kinds of boards, as the configuration names them."""

    LCUS = "lcus"
    NUMATO = "numato"
    MODBUS = "modbus"


BAUD_OF = {
    BoardKind.LCUS: lcus.BAUD,
    BoardKind.NUMATO: numato.BAUD,
    BoardKind.MODBUS: modbus.BAUD,
}

CAN_BE_A_STRIKE = {
    BoardKind.LCUS: False,
    BoardKind.NUMATO: False,
    BoardKind.MODBUS: True,
}
"""Whether a board ends a pulse by itself and tells how its relays stand."""


class LinePort(serial.Serial):  # type: ignore[misc]
    """A serial line whose every error is an OSError: pyserial lets those of termios through."""

    def reset_input_buffer(self) -> None:
        """Forget what came before. Raise OSError when the line is gone."""
        try:
            super().reset_input_buffer()
        except termios.error as error:
            raise OSError(*error.args) from error

    def reset_output_buffer(self) -> None:
        """Forget what is not sent yet. Raise OSError when the line is gone."""
        try:
            super().reset_output_buffer()
        except termios.error as error:
            raise OSError(*error.args) from error


def open_line(path: str, kind: BoardKind, relays: int, address: int = 1) -> OpenPort:
    """Open a line with a board of `relays` relays; `address` is a Modbus module's.

    Raise HardwareError when the line is not there or in use.
    """
    try:
        port = LinePort(
            path,
            baudrate=BAUD_OF[kind],
            timeout=ANSWER_SECONDS,
            write_timeout=ANSWER_SECONDS,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        raise HardwareError(f"the serial line {path} cannot be opened: {error}") from error
    return OpenPort(_board(port, kind, relays, address), port.close)


def _board(port: Any, kind: BoardKind, relays: int, address: int) -> RelayBoard:
    match kind:
        case BoardKind.LCUS:
            return lcus.LcusBoard(port, relays)
        case BoardKind.NUMATO:
            return numato.NumatoBoard(port, relays)
        case BoardKind.MODBUS:
            return modbus.ModbusBoard(port, relays, address)
