"""The inputs of one chip: one request of the kernel, made here or by another hubd.

Laws:
1. A request is told from where it stands: the level of each line before the edges that wait, then
   these edges. So an edge that waited while nobody read is an edge to whoever reads it.
2. A gap in the kernel's numbers means lost edges, so the levels are read again.
3. An edge to a level that was told already is not told again, unless edges were lost.
4. A request of another hubd is used only if it is of exactly these lines, with these settings.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import gpiod
from gpiod.line import Bias, Clock, Direction, Edge

from drivers.gpio.held import LineEdge, Requests
from drivers.gpio.lines import LineConfig, OpenChip, chip_path, explain
from drivers.gpio.wired import InputLine
from hubcore.errors import HardwareError

CONSUMER = "hubd-input"


class Said(NamedTuple):
    """What an input says: whether it is active, since which monotonic second."""

    line: InputLine
    active: bool
    at: float


@dataclass(frozen=True, slots=True)
class ChipOfInputs:
    """One chip by the kernel's name, and the inputs on it by their offset, at least one each.

    Several doors may have one line as their fire input.
    """

    path: str
    name: str
    lines: Mapping[int, Sequence[InputLine]]

    def request(self, open_chip: OpenChip) -> int:
        """Request the lines, and return the descriptor. Raise HardwareError."""
        config: LineConfig = {offset: _settings(lines[0]) for offset, lines in self.lines.items()}
        try:
            with open_chip(self.path) as opened:
                request = opened.request_lines(config, consumer=CONSUMER)
                try:
                    return os.dup(request.fd)  # the kernel holds the lines until the last is closed
                finally:
                    request.release()
        except (OSError, ValueError) as error:
            raise HardwareError(explain(error, self._named())) from error

    def is_held_so(self, descriptor: int, requests: Requests, open_chip: OpenChip) -> bool:
        """Tell whether a descriptor holds these lines, as they are configured (law 4).

        Raise HardwareError when the chip cannot be asked.
        """
        held = requests.held(descriptor)
        if held is None or held.chip != self.name or set(held.offsets) != set(self.lines):
            return False
        try:
            with open_chip(self.path) as opened:
                infos = {offset: opened.get_line_info(offset) for offset in self.lines}
        except (OSError, ValueError) as error:
            raise HardwareError(explain(error, self._named())) from error
        return all(_is_so(info, self.lines[offset][0]) for offset, info in infos.items())

    def _named(self) -> str:
        first = next(iter(self.lines.values()))[0]
        return f"Input {first} or one beside it"


def find_chips(lines: Sequence[InputLine], open_chip: OpenChip) -> list[ChipOfInputs]:
    """Return the chips of these inputs. Raise HardwareError for one that is not there."""
    by_path: dict[str, list[InputLine]] = {}
    for line in lines:
        path = str(Path(chip_path(line.chip, open_chip=open_chip)).resolve())
        by_path.setdefault(path, []).append(line)
    return [_find_lines(path, members, open_chip) for path, members in by_path.items()]


def _find_lines(path: str, lines: Sequence[InputLine], open_chip: OpenChip) -> ChipOfInputs:
    by_offset: dict[int, list[InputLine]] = {}
    try:
        with open_chip(path) as opened:
            name = str(opened.get_info().name)
            for line in lines:
                offset = int(opened.get_line_info(line.line).offset)
                by_offset.setdefault(offset, []).append(line)
    except (OSError, ValueError) as error:
        raise HardwareError(explain(error, f"Input {lines[0]} or one beside it")) from error
    return ChipOfInputs(path, name, by_offset)


def _settings(line: InputLine) -> gpiod.LineSettings:
    return gpiod.LineSettings(
        direction=Direction.INPUT,
        edge_detection=Edge.BOTH,
        bias=Bias.PULL_UP,
        debounce_period=timedelta(milliseconds=line.debounce_ms),
        active_low=line.active_low,
        event_clock=Clock.MONOTONIC,
    )


def _is_so(info: gpiod.LineInfo, line: InputLine) -> bool:
    """Tell whether the kernel holds a line for a hubd, with the settings of this input."""
    wanted = _settings(line)
    is_ours = info.used and info.consumer == CONSUMER
    return is_ours and (
        info.direction is wanted.direction
        and info.edge_detection is wanted.edge_detection
        and info.bias is wanted.bias
        and info.debounce_period == wanted.debounce_period
        and info.active_low is wanted.active_low
        and info.event_clock is wanted.event_clock
    )


class Bank:
    """The inputs of one chip, by the descriptor of their request, which is its own."""

    def __init__(
        self, chip: ChipOfInputs, descriptor: int, requests: Requests, is_new: bool
    ) -> None:
        """`is_new`: it was requested just now, so that its first edge has the number 1."""
        self.chip = chip
        self.descriptor = descriptor
        self.is_well = True
        """Whether everything that was asked of it was answered."""
        self._requests = requests
        held = requests.held(descriptor)
        self._offsets = tuple(chip.lines) if held is None else held.offsets
        """In the order of the request."""
        self._active: dict[int, bool] = {}
        self._last_number: int | None = 0 if is_new else None
        """Of the last edge that was read, here or by another hubd; None where that is not known."""

    def begin(self) -> tuple[list[Said], Sequence[LineEdge]]:
        """Return the level of each line before the edges that wait, and these (law 1).

        The levels are read first: an edge that comes meanwhile waits behind them.
        Raise HardwareError.
        """
        now = self._values()
        edges = self._edges()
        before = dict(now)
        for edge in reversed(edges):
            before[edge.offset] = not edge.active
        at = min([time.monotonic(), *(edge.at for edge in edges)])
        self._active = before
        said = [self._said(offset, active, at) for offset, active in before.items()]
        return [one for of_line in said for one in of_line], edges

    def take(self, edge: LineEdge) -> list[Said]:
        """Return what an edge says of the inputs on its line."""
        self._last_number = edge.number
        self._active[edge.offset] = edge.active
        return self._said(edge.offset, edge.active, edge.at)

    def read(self) -> list[Said]:
        """Return what the edges say that wait in the kernel. Raise HardwareError."""
        said: list[Said] = []
        some_are_lost = False
        for edge in self._edges():
            follows = self._last_number is not None and edge.number == self._last_number + 1
            some_are_lost = some_are_lost or not follows
            is_told = self._active.get(edge.offset) is edge.active
            if is_told and not some_are_lost:
                self._last_number = edge.number
                continue
            said += self.take(edge)
        if some_are_lost:
            said += self._levels_that_differ()
        return said

    def levels(self) -> list[tuple[InputLine, bool]]:
        """Return the level of each line now; it is not told. Raise HardwareError."""
        values = self._values()
        return [
            (line, active)
            for offset, active in values.items()
            for line in self.chip.lines.get(offset, ())
        ]

    def close(self) -> None:
        """Let go of the lines."""
        os.close(self.descriptor)

    def _levels_that_differ(self) -> list[Said]:
        values = self._values()
        at = time.monotonic()
        said: list[Said] = []
        for offset, active in values.items():
            if self._active.get(offset) is not active:
                self._active[offset] = active
                said += self._said(offset, active, at)
        return said

    def _said(self, offset: int, active: bool, at: float) -> list[Said]:
        return [Said(line, active, at) for line in self.chip.lines.get(offset, ())]

    def _values(self) -> dict[int, bool]:
        """Return whether each line is active, by its offset. Raise HardwareError."""
        try:
            values = self._requests.levels(self.descriptor, len(self._offsets))
        except OSError as error:
            raise self._failed(error) from error
        return dict(zip(self._offsets, values, strict=True))

    def _edges(self) -> Sequence[LineEdge]:
        try:
            return self._requests.edges(self.descriptor)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> HardwareError:
        self.is_well = False
        return HardwareError(explain(error, f"Chip {self.chip.path}"))
