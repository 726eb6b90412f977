"""Wired inputs (door position switches, requests to exit) by edge events of libgpiod v2.

Laws:
1. After a request the level is read once, since edges tell only changes.
2. A gap in the kernel's numbers means lost edges, so the levels are read again.
3. A chip that fails is asked for again, and that is reported.
4. Egress is wired in hardware, so nothing here opens a door. The same holds for fire.
5. Each line has its own debounce, by the kernel: for its edges and for its level.
6. A switch with two contacts tells through `drivers.gpio.supervised`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

import gpiod
from gpiod.line import Bias, Direction, Edge, Value

from drivers.gpio.lines import LineConfig, chip_path, explain
from drivers.gpio.supervised import TwoContacts
from hubcore.errors import HardwareError
from hubcore.ports.doors import Input, InputEvent

CONSUMER = "hubd-input"
RETRY_SECONDS = 5.0


class Contact(Enum):
    """What is wired. *Active* means: the door is open, or somebody wants out, or there is a fire.

    DPS_SECOND is the other contact of a switch with two: active while the door is closed.
    """

    DPS = "dps"
    DPS_SECOND = "dps_second"
    REX = "rex"
    BOLT = "bolt"
    """Active while the bolt is thrown."""
    FIRE = "fire"


_REPORTS: dict[tuple[Contact, bool], Input] = {
    (Contact.BOLT, True): Input.BOLT_LOCKED,
    (Contact.BOLT, False): Input.BOLT_FREE,
    (Contact.FIRE, True): Input.FIRE,
    (Contact.FIRE, False): Input.FIRE_ENDED,
    (Contact.DPS, True): Input.DOOR_OPEN,
    (Contact.DPS, False): Input.DOOR_CLOSED,
    (Contact.REX, True): Input.REX,  # letting go of the button is no event
}


@dataclass(frozen=True, slots=True)
class InputLine:
    """One input.

    Wire a DPS so that a cut wire reads as open: closed door pulls to ground, active is high.
    """

    door: str
    contact: Contact
    chip: str
    line: str | int
    active_low: bool = False
    debounce_ms: int = 20

    def __str__(self) -> str:
        return f"{self.contact.name} of {self.door} (line {self.line!r} of {self.chip})"


Report = Callable[[InputLine, bool, float], None]
"""Takes a line, whether it is active, and the monotonic second of that."""


class WiredInputs:
    """All inputs of the hub: one request of the kernel for each chip."""

    def __init__(
        self,
        lines: Sequence[InputLine],
        put: Callable[[InputEvent], None],
        tell: Callable[[bool, str], None],
        open_chip: Callable[[str], gpiod.Chip] = gpiod.Chip,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Several doors may have one line as their fire input.

        `put` hears every level and edge, `tell(up, why)` each start and each failure."""
        self._lines = tuple(lines)
        self._put = put
        self._tell = tell
        self._open_chip = open_chip
        self._retry_seconds = retry_seconds
        self._banks: list[_Bank] = []
        """Those that are watched now."""
        self._pairs = {
            line.door: TwoContacts(line.door, put, _call_later)
            for line in lines
            if line.contact is Contact.DPS_SECOND
        }

    async def run(self, ready: Callable[[], None]) -> None:
        """Watch until cancelled; call `ready` each time all inputs are watched."""
        while True:
            try:
                await self._watch(ready)
            except HardwareError as error:
                self._tell(False, str(error))
            await asyncio.sleep(self._retry_seconds)

    def levels(self) -> dict[str, bool]:
        """Read whether each input is active now, by its door and contact. Raise HardwareError."""
        if not self._banks:
            raise HardwareError("The inputs are not watched now.")
        read: dict[str, bool] = {}
        for bank in self._banks:
            read |= {f"{line.door} {line.contact.value}": active for line, active in bank.levels()}
        return read

    async def _watch(self, ready: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        broken: asyncio.Future[None] = loop.create_future()
        banks: list[_Bank] = []
        try:
            for chip in dict.fromkeys(line.chip for line in self._lines):
                banks.append(self._bank_of(chip))
            for bank in banks:
                bank.report_levels()
                loop.add_reader(bank.fileno(), _read, bank, broken)
            self._banks = banks
            self._tell(True, f"{len(self._lines)} inputs are watched.")
            ready()
            await broken
        finally:
            self._banks = []
            for bank in banks:
                loop.remove_reader(bank.fileno())
                bank.close()
            for pair in self._pairs.values():
                pair.unwatched()

    def _report(self, line: InputLine, active: bool, at: float) -> None:
        """Tell what a line says, at this monotonic second."""
        pair = self._pairs.get(line.door)
        if pair is not None and line.contact is Contact.DPS:
            pair.first(active, at)
        elif pair is not None and line.contact is Contact.DPS_SECOND:
            pair.second(not active, at)
        else:
            what = _REPORTS.get((line.contact, active))
            if what is not None:
                self._put(InputEvent(line.door, what, at))

    def _bank_of(self, chip: str) -> _Bank:
        """Request the inputs of one chip. Raise HardwareError."""
        return _Bank(
            chip=chip,
            lines=[line for line in self._lines if line.chip == chip],
            open_chip=self._open_chip,
            report=self._report,
        )


def _call_later(seconds: float, what: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, what)


def _read(bank: _Bank, broken: asyncio.Future[None]) -> None:
    try:
        bank.read()
    except HardwareError as error:
        if not broken.done():
            broken.set_exception(error)


def _settings(line: InputLine) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=Bias.PULL_UP,
        debounce_period=timedelta(milliseconds=line.debounce_ms),
        active_low=line.active_low,
    )


class _Bank:
    """The inputs of one chip."""

    def __init__(
        self,
        chip: str,
        lines: Sequence[InputLine],
        open_chip: Callable[[str], gpiod.Chip],
        report: Report,
    ) -> None:
        """Request the lines. Raise HardwareError."""
        self._chip = chip
        self._tell = report
        self._by_offset: dict[int, list[InputLine]] = {}
        self._active: dict[int, bool] = {}
        self._last_number = 0
        config: LineConfig = {}
        try:
            with open_chip(chip_path(chip)) as opened:
                for line in lines:
                    offset = int(opened.get_line_info(line.line).offset)
                    self._by_offset.setdefault(offset, []).append(line)
                    config[offset] = _settings(line)
                self._request = opened.request_lines(config, consumer=CONSUMER)
        except (OSError, ValueError) as error:
            raise HardwareError(explain(error, f"Input {lines[0]} or one beside it")) from error

    def fileno(self) -> int:
        return self._request.fd

    def close(self) -> None:
        self._request.release()

    def report_levels(self) -> None:
        """Read every level; report those that are not known already. Raise HardwareError."""
        values = self._values()
        at = time.monotonic()
        for offset, active in values.items():
            if self._active.get(offset) is not active:
                self._report(offset, active, at)

    def levels(self) -> list[tuple[InputLine, bool]]:
        """Return the level of each line now; nothing is reported. Raise HardwareError."""
        values = self._values()
        return [
            (line, active) for offset, active in values.items() for line in self._by_offset[offset]
        ]

    def _values(self) -> dict[int, bool]:
        """Return whether each line is active, by its offset. Raise HardwareError."""
        try:
            values = self._request.get_values(list(self._by_offset))
        except OSError as error:
            raise HardwareError(explain(error, f"Chip {self._chip}")) from error
        read = zip(self._by_offset, values, strict=True)
        return {offset: value is Value.ACTIVE for offset, value in read}

    def read(self) -> None:
        """Report the edges that wait in the kernel. Raise HardwareError."""
        try:
            edges = self._request.read_edge_events()
        except OSError as error:
            raise HardwareError(explain(error, f"Chip {self._chip}")) from error
        some_are_lost = False
        for edge in edges:
            if edge.global_seqno != self._last_number + 1:
                some_are_lost = True
            self._last_number = edge.global_seqno
            active = edge.event_type is edge.Type.RISING_EDGE
            self._report(edge.line_offset, active, edge.timestamp_ns / 1e9)
        if some_are_lost:
            self.report_levels()

    def _report(self, offset: int, active: bool, at: float) -> None:
        self._active[offset] = active
        for line in self._by_offset[offset]:
            self._tell(line, active, at)
