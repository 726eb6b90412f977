"""How much of its life the flash has used that holds the records, by its own word.

Laws:
1. It reads sysfs. Nothing is written, and no daemon is needed.
2. A disk that does not tell has no such check: most disks on USB and SD cards do not.

Source: JESD84-B51 (eMMC 5.1), DEVICE_LIFE_TIME_EST and PRE_EOL_INFO, as the kernel shows them in
`life_time` and `pre_eol_info` of an MMC device.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from hubcore.checks import CheckId
from hubd.wiring.look.finding import Finding, fact, found

ABOUT = "wear"
WORN_TENTHS = 0x09
"""80 to 90 % of the life are used."""
OVER_TENTHS = 0x0B
"""More than 100 %."""
PRE_EOL_WARNING = 0x02
"""80 % of the reserved blocks are used."""
PRE_EOL_URGENT = 0x03


def look(folder: Path, sys: Path) -> Iterator[Finding]:
    """Yield how worn the disk of `folder` is."""
    device = _device(folder, sys)
    if device is None:
        return
    tenths = max(_numbers(device / "life_time"), default=0)
    spare = max(_numbers(device / "pre_eol_info"), default=0)
    if not tenths and not spare:
        return
    name = device.name
    used = _used(tenths, spare)
    if tenths >= OVER_TENTHS or spare >= PRE_EOL_URGENT:
        yield found(CheckId.FLASH_ENDS, ABOUT, disk=name, used=used)
    elif tenths >= WORN_TENTHS or spare >= PRE_EOL_WARNING:
        yield found(CheckId.FLASH_WORN, ABOUT, disk=name, used=used)
    else:
        yield fact(ABOUT, f"{name} says that {used} of its life are used")


def _device(folder: Path, sys: Path) -> Path | None:
    """Return the MMC device below the disk of a folder, or of the nearest one that is there."""
    try:
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        number = there.stat().st_dev
        block = (sys / "dev/block" / f"{os.major(number)}:{os.minor(number)}").resolve(strict=True)
    except OSError:
        return None
    for place in (block, block.parent):
        if (place / "device/life_time").exists():
            return (place / "device").resolve()
    return None


def _numbers(file: Path) -> list[int]:
    """Return the numbers of such a file; none where it is not there or not as expected."""
    try:
        return [int(word, 16) for word in file.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []


def _used(tenths: int, spare: int) -> str:
    if not tenths:
        return {1: "a usual part", 2: "most"}.get(spare, "nearly all")
    if tenths >= OVER_TENTHS:
        return "more than 100 %"
    return f"{10 * (tenths - 1)} to {10 * tenths} %"
