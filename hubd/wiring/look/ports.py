"""The serial ports that a configuration names: whether they are there, and may be used.

Laws:
1. No port is opened, so a hub may run meanwhile, and no board is disturbed.
2. Two names of one port are one port.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from hubd.config.devices import RelayBoard
from hubd.config.file import Config
from hubd.config.section import kind_of
from hubd.upkeep.checks import CheckId
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

GROUP = "dialout"
"""Debian's group of serial ports; hubd is in it where there are boards (docs/hub.md, Devices)."""
_OF_GROUP = stat.S_IRGRP | stat.S_IWGRP


def look(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found of the port of every board."""
    seen: dict[Path, RelayBoard] = {}
    for board in config.relay_boards:
        about = f"board {board.id}"
        path = world.root / board.port.lstrip("/")
        try:
            found_at = path.resolve(strict=True)
            status = os.stat(found_at)
        except OSError:
            yield found(CheckId.PORT_MISSING, about, port=board.port)
            continue
        other = seen.setdefault(found_at, board)
        if other is not board:
            yield found(
                CheckId.PORT_SHARED,
                about,
                port=board.port,
                other=f"board {other.id} ({other.port})",
            )
        if not stat.S_ISCHR(status.st_mode):
            yield found(CheckId.PORT_NO_LINE, about, port=board.port)
        elif not _may_use(found_at, status, world.uid):
            yield found(
                CheckId.PORT_NOT_OURS,
                about,
                port=board.port,
                group=_group_name(status.st_gid),
                mode=stat.S_IMODE(status.st_mode),
            )
        else:
            yield fact(about, f"{kind_of(board)} with {board.relays} relays on {board.port}")


def _may_use(path: Path, status: os.stat_result, uid: int) -> bool:
    """Tell whether hubd may use a port; root looks for a hubd that runs as another user."""
    if uid != 0:
        return os.access(path, os.R_OK | os.W_OK)
    return _group_name(status.st_gid) == GROUP and status.st_mode & _OF_GROUP == _OF_GROUP


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
