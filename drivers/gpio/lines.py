"""Output lines of the kernel's GPIO chips, by libgpiod v2.

Laws:
1. A line is requested as an output *with the value inactive*, so there is no moment between.
2. All lines are held, or none.
3. A line that is driven active is read back: one that does not hold its level was not driven.
4. An error of the library becomes a HardwareError that names the line and what to do.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import gpiod
from gpiod.line import Direction, Value

from drivers.strike.wire import StrikeLine
from hubcore.errors import HardwareError

CONSUMER = "hubd-strike"
DETECT = "`gpiodetect` (apt install gpiod)"
INFO = "`gpioinfo` (apt install gpiod)"
_RIGHTS = "put its user into the group `gpio` or add a udev rule for gpiochip*"
OpenChip = Callable[[str], gpiod.Chip]
"""Takes the device path of a chip. Raises OSError."""
LineConfig = dict[Iterable[int | str] | int | str, gpiod.LineSettings | None]
"""libgpiod's type of a request: here always the settings of each line by its offset."""
DEVICES = Path("/dev")

_CHIP_NAME = re.compile(r"gpiochip[0-9]{1,5}")


class LineOnChip(NamedTuple):
    """A strike's line, and its offset on its chip."""

    line: StrikeLine
    offset: int


class GpioLines:
    """`Lines` over `/dev/gpiochip*`: one request of the kernel for each chip."""

    def __init__(self, lines: Sequence[StrikeLine], open_chip: OpenChip = gpiod.Chip) -> None:
        """Request every line, inactive. Raise HardwareError; then none is held."""
        self._requests: dict[str, gpiod.LineRequest] = {}
        self._lines: list[LineOnChip] = []
        try:
            for line in lines:
                self._lines.append(LineOnChip(line, find_offset(line, open_chip)))
            for chip in dict.fromkeys(line.chip for line in lines):
                self._requests[chip] = self._request(chip, open_chip)
        except BaseException:
            self.close()
            raise

    def _request(self, chip: str, open_chip: OpenChip) -> gpiod.LineRequest:
        """Request all lines of one chip. Raise HardwareError."""
        members = [member for member in self._lines if member.line.chip == chip]
        config: LineConfig = {}
        for line, offset in members:
            if offset in config:
                raise HardwareError(
                    f"Two strikes are configured on one line of {chip}: give each its own line."
                )
            config[offset] = gpiod.LineSettings(
                direction=Direction.OUTPUT,
                output_value=Value.INACTIVE,
                active_low=line.active_low,
            )
        try:
            opened = open_chip(chip_path(chip))
        except OSError as error:
            raise HardwareError(explain(error, f"Strike {members[0].line}")) from error
        with opened:
            try:
                return opened.request_lines(config, consumer=CONSUMER)
            except OSError as error:
                line, consumer = first_busy(opened, members)
                raise HardwareError(explain(error, f"Strike {line}", consumer)) from error

    def set(self, index: int, active: bool) -> None:
        """Drive one line. Raise HardwareError."""
        line, offset = self._lines[index]
        value = Value.ACTIVE if active else Value.INACTIVE
        request = self._requests[line.chip]
        try:
            request.set_value(offset, value)
            holds = not active or request.get_value(offset) is value
        except OSError as error:
            raise HardwareError(explain(error, f"Strike {line}")) from error
        if not holds:
            raise HardwareError(
                f"Strike {line} was driven, but the line does not hold its level: "
                "look for a short circuit, or for another output on it."
            )

    def close(self) -> None:
        """Release every request; the kernel and the hardware decide what the pins do then."""
        for request in self._requests.values():
            request.release()
        self._requests.clear()


def open_lines(lines: Sequence[StrikeLine]) -> GpioLines:
    """Return the lines, inactive: the factory that the guard is told to use on a hub."""
    return GpioLines(lines)


def chip_path(chip: str, devices: Path = DEVICES, open_chip: OpenChip = gpiod.Chip) -> str:
    """Return the device path of a chip given by path, by name (gpiochip0) or by label.

    A name goes before a label. Names are numbered as the kernel finds the chips, so they may change
    with the kernel; labels do not. Raise HardwareError.
    """
    if chip.startswith("/"):
        return chip
    if _CHIP_NAME.fullmatch(chip) and (devices / chip).exists():
        return str(devices / chip)
    paths = _paths_with_label(chip, devices, open_chip)
    if len(paths) > 1:
        raise HardwareError(
            f"The label {chip!r} is that of {' and '.join(paths)}: name the chip by its path."
        )
    if not paths:
        raise HardwareError(
            f"No GPIO chip in {devices} has the name or the label {chip!r} "
            f"and is readable for hubd: compare with {DETECT}."
        )
    return paths[0]


def _paths_with_label(label: str, devices: Path, open_chip: OpenChip) -> list[str]:
    """Return one path of each chip with this label; Raspberry Pis link an old name to a chip."""
    by_chip: dict[Path, str] = {}
    for path in sorted(devices.glob("gpiochip*")):
        try:
            with open_chip(str(path)) as opened:
                if opened.get_info().label == label:
                    by_chip.setdefault(path.resolve(), str(path))
        except OSError:
            continue  # hubd may not open it; who asked says what to compare
    return list(by_chip.values())


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One line as the kernel knows it.

    `chip`: the real device path. `label`: that of the chip. `name`: that of the line, or ''.
    `used`: somebody has it, who calls itself `consumer`.
    """

    chip: str
    label: str
    offset: int
    name: str
    used: bool
    consumer: str


def look_at_line(
    chip: str, line: str | int, what: str, devices: Path, open_chip: OpenChip
) -> FoundLine:
    """Find a line without requesting it; `what` begins the sentence when it is not there.

    Raise HardwareError.
    """
    try:
        path = chip_path(chip, devices, open_chip)
    except HardwareError as error:
        raise HardwareError(f"{what}: {error}") from error
    try:
        with open_chip(path) as opened:
            info = opened.get_line_info(line)
            label = opened.get_info().label
    except (OSError, ValueError) as error:
        raise HardwareError(explain(error, f"{what} (line {line!r} of {chip})")) from error
    return FoundLine(
        chip=str(Path(path).resolve()),  # a board may have a second name for a chip
        label=label,
        offset=int(info.offset),
        name=info.name or "",
        used=bool(info.used),
        consumer=info.consumer or "",
    )


def find_offset(line: StrikeLine, open_chip: OpenChip) -> int:
    """Return the offset of a line on its chip. Raise HardwareError."""
    try:
        with open_chip(chip_path(line.chip)) as opened:
            if isinstance(line.line, int):
                return opened.line_offset_from_id(line.line)
            return int(opened.get_line_info(line.line).offset)
    except (OSError, ValueError) as error:
        raise HardwareError(explain(error, f"Strike {line}")) from error


def first_busy(chip: gpiod.Chip, members: Sequence[LineOnChip]) -> tuple[StrikeLine, str]:
    """Return the first line in use and its consumer, or the first line and '' when none is."""
    for line, offset in members:
        try:
            info = chip.get_line_info(offset)
        except OSError:
            continue
        if info.used:
            return line, info.consumer or "an unnamed consumer"
    return members[0].line, ""


def explain(error: OSError | ValueError, what: str, consumer: str = "") -> str:
    """Return a sentence for the technician: which line, what is wrong, what to do."""
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    return f"{what} cannot be used: {_remedy(code, consumer)} ({error})."


def _remedy(code: int | None, consumer: str) -> str:
    match code:
        case errno.ENOENT:
            return f"the chip or the line does not exist; compare with `gpiodetect` and {INFO}"
        case errno.ENODEV | errno.ENOTTY:
            return f"this is no GPIO chip; compare with {DETECT}"
        case errno.ENXIO:
            return "the chip has gone; look at the kernel log"
        case errno.EACCES:
            return f"hubd may not open it; {_RIGHTS}"
        case errno.EPERM:
            return f"hubd may not use it; {_RIGHTS}"
        case errno.EBUSY:
            user = consumer or "another consumer"
            return f"it is in use by {user}; stop that one, or choose another line"
        case errno.EINVAL:
            return f"the line does not exist on this chip or cannot be used so; compare with {INFO}"
    return "the chip does not answer as it should; look at the kernel log and at the wiring"


def outputs_outlive_us(modules: Path = Path("/sys/module")) -> bool:
    """Tell whether this kernel keeps an output driven after its process died.

    A Raspberry Pi without strict_gpiod does: the parameter `persist_gpio_outputs` of
    pinctrl_bcm2835 and pinctrl_rp1. Where it is absent, the kernel's default holds.
    """
    for module in ("pinctrl_bcm2835", "pinctrl_rp1"):
        parameter = modules / module / "parameters" / "persist_gpio_outputs"
        try:
            value = parameter.read_text().strip()
        except OSError:
            continue
        if value in ("Y", "y", "1"):
            return True
    return False
