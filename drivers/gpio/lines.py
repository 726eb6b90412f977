"""Output lines of the kernel's GPIO chips, by libgpiod v2.

Laws: a line is requested as an output *with the value inactive*, so there is no moment between; all
lines or none are held; every error of the library becomes a HardwareError that names the line and
what a technician should do.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gpiod
from gpiod.line import Direction, Value

from drivers.strike.wire import StrikeLine
from hubcore.errors import HardwareError

CONSUMER = "hubd-strike"
DETECT = "`gpiodetect` (apt install gpiod)"
INFO = "`gpioinfo` (apt install gpiod)"
OpenChip = Callable[[str], gpiod.Chip]

_CHIP_NAME = re.compile(r"gpiochip[0-9]{1,5}")


class GpioLines:
    """`Lines` over `/dev/gpiochip*`: one request of the kernel for each chip."""

    def __init__(
        self, lines: Sequence[StrikeLine], open_chip: Callable[[str], gpiod.Chip] = gpiod.Chip
    ) -> None:
        """Request every line, inactive.

        `open_chip` takes a device path. Raise HardwareError; then none is held.
        """
        self._lines = tuple(lines)
        self._requests: dict[str, gpiod.LineRequest] = {}
        self._offsets: list[int] = []
        try:
            for line in self._lines:
                self._offsets.append(find_offset(line, open_chip))
            for chip in dict.fromkeys(line.chip for line in self._lines):
                self._requests[chip] = self._request(chip, open_chip)
        except BaseException:
            self.close()
            raise

    def _request(self, chip: str, open_chip: Callable[[str], gpiod.Chip]) -> gpiod.LineRequest:
        members = [
            (line, offset)
            for line, offset in zip(self._lines, self._offsets, strict=True)
            if line.chip == chip
        ]
        config: dict[Iterable[int | str] | int | str, gpiod.LineSettings | None] = {
            offset: gpiod.LineSettings(
                direction=Direction.OUTPUT, output_value=Value.INACTIVE, active_low=line.active_low
            )
            for line, offset in members
        }
        if len(config) != len(members):
            raise HardwareError(
                f"Two strikes are configured on one line of {chip}: give each its own line."
            )
        try:
            opened = open_chip(chip_path(chip))
        except OSError as error:
            raise HardwareError(explain(error, f"Strike {members[0][0]}")) from error
        with opened:
            try:
                return opened.request_lines(config, consumer=CONSUMER)
            except OSError as error:
                blamed = first_busy(opened, members)
                raise HardwareError(explain(error, f"Strike {blamed[0]}", blamed[1])) from error

    def set(self, index: int, active: bool) -> None:
        """Drive one line. Raise HardwareError."""
        line = self._lines[index]
        try:
            self._requests[line.chip].set_value(
                self._offsets[index], Value.ACTIVE if active else Value.INACTIVE
            )
        except OSError as error:
            raise HardwareError(explain(error, f"Strike {line}")) from error

    def close(self) -> None:
        """Release every request; what the pins do then is the kernel's and the hardware's
        affair.
        """
        for request in self._requests.values():
            request.release()
        self._requests.clear()


def open_lines(lines: Sequence[StrikeLine]) -> GpioLines:
    """Return the lines, inactive: the factory that the guard is told to use on a hub."""
    return GpioLines(lines)


def chip_path(
    chip: str, devices: Path = Path("/dev"), open_chip: Callable[[str], gpiod.Chip] = gpiod.Chip
) -> str:
    """Return the device path of a chip given by path, by name (gpiochip0) or by label. Raise
    HardwareError.

    Names are numbered as the kernel finds the chips and may change with it; labels do not. A name
    goes before a label.
    """
    if chip.startswith("/"):
        return chip
    if _CHIP_NAME.fullmatch(chip) and (devices / chip).exists():
        return str(devices / chip)
    found: dict[Path, str] = {}  # by what it really is: Raspberry Pis link an old name to a chip
    for path in sorted(devices.glob("gpiochip*")):
        try:
            with open_chip(str(path)) as opened:
                if opened.get_info().label == chip:
                    found.setdefault(path.resolve(), str(path))
        except OSError:
            continue  # not readable for us: the sentence below says what to look at
    if len(found) > 1:
        raise HardwareError(
            f"The label {chip!r} is that of {' and '.join(found.values())}: name the chip by "
            "its path."
        )
    if not found:
        raise HardwareError(
            f"No GPIO chip in {devices} has the name or the label {chip!r} and is readable "
            "for hubd: "
            f"compare with {DETECT}."
        )
    return next(iter(found.values()))


@dataclass(frozen=True, slots=True)
class FoundLine:
    """One line as the kernel knows it: the real device path of its chip, the chip's label, its
    offset, and its name or ''; whether somebody has it, and how that one calls itself.
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
    real = str(Path(path).resolve())  # a board may have a second name for a chip
    return FoundLine(
        chip=real,
        label=label,
        offset=int(info.offset),
        name=info.name or "",
        used=bool(info.used),
        consumer=info.consumer or "",
    )


def find_offset(line: StrikeLine, open_chip: Callable[[str], gpiod.Chip]) -> int:
    """Return the offset of a line on its chip. Raise HardwareError."""
    try:
        with open_chip(chip_path(line.chip)) as opened:
            if isinstance(line.line, int):
                return opened.line_offset_from_id(line.line)
            return int(opened.get_line_info(line.line).offset)
    except (OSError, ValueError) as error:
        raise HardwareError(explain(error, f"Strike {line}")) from error


def first_busy(
    chip: gpiod.Chip, members: Sequence[tuple[StrikeLine, int]]
) -> tuple[StrikeLine, str]:
    """Return the first line in use and its consumer, or the first line and '' when none is."""
    for line, offset in members:
        try:
            info = chip.get_line_info(offset)
        except OSError:
            continue
        if info.used:
            return line, info.consumer or "an unnamed consumer"
    return members[0][0], ""


def explain(error: OSError | ValueError, what: str, consumer: str = "") -> str:
    """Return a sentence for the technician: which line, what is wrong, what to do."""
    code = error.errno if isinstance(error, OSError) else errno.EINVAL
    remedies: Mapping[int | None, str] = {
        errno.ENOENT: f"the chip or the line does not exist; compare with `gpiodetect` and {INFO}",
        errno.ENODEV: f"this is no GPIO chip; compare with {DETECT}",
        errno.ENOTTY: f"this is no GPIO chip; compare with {DETECT}",
        errno.ENXIO: "the chip has gone; look at the kernel log",
        errno.EACCES: "hubd may not open it; put its user into the group `gpio` or add a udev "
        "rule for gpiochip*",
        errno.EPERM: "hubd may not use it; put its user into the group `gpio` or add a udev "
        "rule for gpiochip*",
        errno.EBUSY: f"it is in use by {consumer or 'another consumer'}; stop that one, or "
        "choose another line",
        errno.EINVAL: "the line does not exist on this chip or cannot be used so; compare "
        f"with {INFO}",
    }
    remedy = remedies.get(
        code, "the chip does not answer as it should; look at the kernel log and at the wiring"
    )
    return f"{what} cannot be used: {remedy} ({error})."


def outputs_outlive_us(parameters: Path = Path("/sys/module")) -> bool:
    """Whether this kernel keeps an output driven after its process died (Raspberry Pi without
    strict_gpiod).

    The parameter `persist_gpio_outputs` of pinctrl_bcm2835 and pinctrl_rp1; absent, the kernel's
    default holds.
    """
    for module in ("pinctrl_bcm2835", "pinctrl_rp1"):
        try:
            value = (
                (parameters / module / "parameters" / "persist_gpio_outputs").read_text().strip()
            )
        except OSError:
            continue
        if value in ("Y", "y", "1"):
            return True
    return False
