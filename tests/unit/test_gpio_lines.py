"""GPIO lines over a fake chip: what is asked of libgpiod, and what a technician is told when it
refuses.

No kernel GPIO is needed here; only the chips that do not exist are the library's own.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gpiod
import pytest
from gpiod.line import Direction, Value

from drivers.gpio.lines import GpioLines, chip_path, open_lines, outputs_outlive_us
from drivers.strike.wire import StrikeLine
from hubcore.errors import HardwareError


@dataclass
class FakeRequest:
    config: dict[int, gpiod.LineSettings]
    chip: "FakeChip"
    released: bool = False

    def set_value(self, offset: int, value: Value) -> None:
        if self.chip.set_error:
            raise OSError(self.chip.set_error, os.strerror(self.chip.set_error))
        self.chip.levels[offset] = value

    def get_value(self, offset: int) -> Value:
        return self.chip.stuck.get(offset, self.chip.levels[offset])

    def release(self) -> None:
        assert not self.released
        self.released = True


@dataclass
class FakeChip:
    """One chip with eight lines, named line0 to line7."""

    opened: list[str] = field(default_factory=list)
    requests: list[FakeRequest] = field(default_factory=list)
    levels: dict[int, Value] = field(
        default_factory=lambda: dict.fromkeys(range(8), Value.INACTIVE)
    )
    consumers: dict[int, str] = field(default_factory=dict)
    stuck: dict[int, Value] = field(default_factory=dict)
    """Lines that keep a level whatever drives them."""
    request_error: int = 0
    set_error: int = 0

    def open(self, path: str) -> gpiod.Chip:
        self.opened.append(path)
        return cast(gpiod.Chip, self)

    def __enter__(self) -> "FakeChip":
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def line_offset_from_id(self, line: int | str) -> int:
        if isinstance(line, str):
            if line not in {f"line{offset}" for offset in range(8)}:
                raise FileNotFoundError(errno.ENOENT, "No such file or directory")
            return int(line.removeprefix("line"))
        if line >= 8:
            raise ValueError("line offset of out range")
        return line

    def get_line_info(self, line: int | str) -> Any:
        offset = self.line_offset_from_id(line)
        return SimpleNamespace(
            offset=offset, used=offset in self.consumers, consumer=self.consumers.get(offset)
        )

    def request_lines(self, config: dict[int, gpiod.LineSettings], consumer: str) -> FakeRequest:
        assert consumer.startswith("hubd-")
        if self.request_error:
            raise OSError(self.request_error, os.strerror(self.request_error))
        self.requests.append(FakeRequest(config, self))
        return self.requests[-1]


@pytest.fixture
def chip() -> Iterator[FakeChip]:
    made = FakeChip()
    yield made
    assert all(request.released for request in made.requests)


# lines, law 3
def test_a_line_that_does_not_hold_its_level_was_not_driven(chip: FakeChip) -> None:
    held = GpioLines([StrikeLine("/dev/a", 3)], chip.open)
    held.set(0, True)
    chip.stuck[3] = Value.INACTIVE
    with pytest.raises(HardwareError, match="does not hold its level"):
        held.set(0, True)
    held.set(0, False)  # that it falls is not in question: the guard must be able to go on
    held.close()


def test_lines_are_requested_inactive_by_name_or_offset_one_request_for_each_chip(
    chip: FakeChip,
) -> None:
    lines = [
        StrikeLine("/dev/a", "line3"),
        StrikeLine("/dev/b", 1),
        StrikeLine("/dev/a", 5, active_low=True),
    ]
    held = GpioLines(lines, chip.open)
    asked = [
        (offset, settings)
        for request in chip.requests
        for offset, settings in request.config.items()
    ]
    assert [(offset, settings.active_low) for offset, settings in asked] == [
        (3, False),
        (5, True),
        (1, False),
    ]
    assert len(chip.requests) == 2
    for _, settings in asked:
        assert settings.direction is Direction.OUTPUT
        assert settings.output_value is Value.INACTIVE
    held.set(2, True)
    assert [offset for offset, level in chip.levels.items() if level is Value.ACTIVE] == [5]
    held.set(2, False)
    assert Value.ACTIVE not in chip.levels.values()
    held.close()


@pytest.mark.parametrize(
    ("line", "path", "words"),
    [
        ("strike", "/dev/no-such-chip", ["'strike'", "/dev/no-such-chip", "gpiodetect"]),
        (3, "/dev/null", ["line 3 of /dev/null", "no GPIO chip"]),
        (3, "/etc/hostname", ["line 3 of /etc/hostname", "no GPIO chip"]),
        (3, "no-such-label", ["'no-such-label'", "gpiodetect"]),
    ],
)
def test_a_chip_that_is_none_is_a_sentence_of_the_real_library(
    line: str | int, path: str, words: list[str]
) -> None:
    with pytest.raises(HardwareError) as caught:
        open_lines([StrikeLine(path, line)])
    assert all(word in str(caught.value) for word in words)


@dataclass
class FakeChips:
    """A directory of devices: the label of each chip that may be opened, by its file's name."""

    directory: Path
    labels: dict[str, str]

    def __post_init__(self) -> None:
        for name in (*self.labels, "gpiochip9"):
            (self.directory / name).touch()

    def open(self, path: str) -> gpiod.Chip:
        label = self.labels.get(Path(path).resolve().name)
        if label is None:
            raise PermissionError(errno.EACCES, "Permission denied")
        return cast(
            gpiod.Chip, nullcontext(SimpleNamespace(get_info=lambda: SimpleNamespace(label=label)))
        )

    def path(self, chip: str) -> str:
        return chip_path(chip, self.directory, self.open)


def test_a_chip_is_found_by_path_name_or_label(tmp_path: Path) -> None:
    chips = FakeChips(
        tmp_path, {"gpiochip0": "pinctrl-rp1", "gpiochip1": "INT34C5:00", "gpiochip11": "gpiochip1"}
    )
    (tmp_path / "gpiochip4").symlink_to("gpiochip0")
    assert chips.path("/dev/gpiochip7") == "/dev/gpiochip7"
    assert chips.path("gpiochip0") == str(tmp_path / "gpiochip0")
    assert chips.path("gpiochip4") == str(tmp_path / "gpiochip4")
    # whether we may open it is told when we do
    assert chips.path("gpiochip9") == str(tmp_path / "gpiochip9")
    assert chips.path("pinctrl-rp1") == str(tmp_path / "gpiochip0")
    assert chips.path("INT34C5:00") == str(tmp_path / "gpiochip1")
    assert chips.path("gpiochip1") == str(tmp_path / "gpiochip1")  # a name goes before a label


@pytest.mark.parametrize("chip", ["gpiochip2", "nothing", "..", "gpiochip*"])
def test_a_chip_that_is_not_there_is_a_sentence(tmp_path: Path, chip: str) -> None:
    with pytest.raises(
        HardwareError, match=r"No GPIO chip in .* the name or the label .*gpiodetect"
    ):
        FakeChips(tmp_path, {"gpiochip0": "pinctrl-rp1"}).path(chip)


def test_a_label_of_two_chips_is_refused(tmp_path: Path) -> None:
    chips = FakeChips(tmp_path, {"gpiochip0": "ftdi-cbus", "gpiochip1": "ftdi-cbus"})
    with pytest.raises(
        HardwareError, match=r"'ftdi-cbus' is that of .*gpiochip0 and .*gpiochip1: name the chip"
    ):
        chips.path("ftdi-cbus")


@pytest.mark.parametrize("line", ["nowhere", 8])
def test_an_unknown_line_is_a_sentence(chip: FakeChip, line: str | int) -> None:
    with pytest.raises(HardwareError, match=f"line {line!r} of /dev/a.*gpioinfo"):
        GpioLines([StrikeLine("/dev/a", line)], chip.open)


def test_a_busy_line_names_its_consumer(chip: FakeChip) -> None:
    chip.request_error = errno.EBUSY
    chip.consumers = {4: "gpioset"}
    with pytest.raises(HardwareError, match=r"line 4 of /dev/a.*in use by gpioset"):
        GpioLines([StrikeLine("/dev/a", 2), StrikeLine("/dev/a", 4)], chip.open)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_line_without_permission_names_the_group(chip: FakeChip, code: int) -> None:
    chip.request_error = code
    with pytest.raises(HardwareError, match="group `gpio`"):
        GpioLines([StrikeLine("/dev/a", 2)], chip.open)


def test_two_strikes_on_one_line_are_refused_and_nothing_stays_held(chip: FakeChip) -> None:
    with pytest.raises(HardwareError, match="Two strikes"):
        GpioLines(
            [StrikeLine("/dev/b", 0), StrikeLine("/dev/a", 2), StrikeLine("/dev/a", "line2")],
            chip.open,
        )
    assert len(chip.requests) == 1


def test_a_chip_that_goes_between_looking_and_asking_is_a_hardware_error(chip: FakeChip) -> None:
    def goes(path: str) -> gpiod.Chip:
        if chip.opened:
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO))
        return chip.open(path)

    with pytest.raises(HardwareError, match="the chip has gone"):
        GpioLines([StrikeLine("/dev/a", 2)], goes)


def test_a_line_that_cannot_be_driven_is_a_hardware_error(chip: FakeChip) -> None:
    held = GpioLines([StrikeLine("/dev/a", 2)], chip.open)
    chip.set_error = errno.EIO
    with pytest.raises(HardwareError, match="line 2 of /dev/a"):
        held.set(0, True)
    held.close()


@pytest.mark.parametrize(
    ("module", "value", "outlive"),
    [
        ("pinctrl_bcm2835", "Y", True),
        ("pinctrl_rp1", "Y", True),
        ("pinctrl_bcm2835", "N", False),
        ("other", "Y", False),
    ],
)
def test_a_kernel_that_keeps_outputs_is_known(
    tmp_path: Path, module: str, value: str, outlive: bool
) -> None:
    folder = tmp_path / module / "parameters"
    folder.mkdir(parents=True)
    (folder / "persist_gpio_outputs").write_text(value + "\n")
    assert outputs_outlive_us(tmp_path) is outlive
