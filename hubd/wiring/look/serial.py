"""The serial lines of readers: whether they are there, and hubd's to use.

Laws:
1. No line is opened, so a hub may run meanwhile.
2. Two names of one line are one line.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hubcore.checks import CheckId
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.ports import may_use, not_ours
from hubd.wiring.look.world import World

ABOUT = "serial line"


def look(wanted: Mapping[Path, Sequence[str]], world: World) -> Iterator[Finding]:
    """Yield what is found of each line; `wanted` says what is on it, by its path."""
    seen: dict[Path, Path] = {}
    for device, users in wanted.items():
        path = world.root / device.relative_to("/")
        try:
            status = path.stat()
        except OSError:
            yield found(CheckId.READER_LINE_MISSING, ABOUT, device=device)
            continue
        if not stat.S_ISCHR(status.st_mode):
            yield found(CheckId.READER_LINE_UNFIT, ABOUT, device=device)
            continue
        if not may_use(path, status, world.uid):
            yield _no_right(device, status, world)
        other = seen.setdefault(path.resolve(), device)
        if other != device:
            yield found(CheckId.READER_LINE_TWICE, ABOUT, device=device, other=other)
        yield fact(ABOUT, f"{device}: {', '.join(users)}")


def _no_right(device: Path, status: os.stat_result, world: World) -> Finding:
    """Tell root of the line's group, and hubd of what gives it that group."""
    if world.uid == 0:
        return not_ours(ABOUT, str(device), status)
    return found(CheckId.READER_LINE_NO_RIGHT, ABOUT, device=device)
