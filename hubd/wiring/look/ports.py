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
from typing import NamedTuple

from hubd.config.file import Config
from hubd.config.section import kind_of
from hubd.upkeep.checks import CheckId
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

GROUP = "dialout"
"""Debian's group of serial ports; hubd is in it where there are boards (docs/hub.md, Devices)."""
_OF_GROUP = stat.S_IRGRP | stat.S_IWGRP


class _Port(NamedTuple):
    """A port of the configuration: what it is about, and what hangs on it."""

    about: str
    path: str
    shown: str


def look(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found of the port of every board and stick."""
    seen: dict[Path, _Port] = {}
    if config.zwave is not None:
        service = _Port("the Z-Wave service", config.zwave.stick, "")
        seen[(world.root / service.path.lstrip("/")).resolve()] = service
    for port in _ports(config):
        path = world.root / port.path.lstrip("/")
        try:
            found_at = path.resolve(strict=True)
            status = os.stat(found_at)
        except OSError:
            yield found(CheckId.PORT_MISSING, port.about, port=port.path)
            continue
        other = seen.setdefault(found_at, port)
        if other is not port:
            yield found(
                CheckId.PORT_SHARED,
                port.about,
                port=port.path,
                other=f"{other.about} ({other.path})",
            )
        if not stat.S_ISCHR(status.st_mode):
            yield found(CheckId.PORT_NO_LINE, port.about, port=port.path)
        elif not _may_use(found_at, status, world.uid):
            yield found(
                CheckId.PORT_NOT_OURS,
                port.about,
                port=port.path,
                group=_group_name(status.st_gid),
                mode=stat.S_IMODE(status.st_mode),
            )
        else:
            yield fact(port.about, f"{port.shown} on {port.path}")


def _ports(config: Config) -> Iterator[_Port]:
    """Yield the ports that hubd opens itself."""
    for board in config.relay_boards:
        shown = f"{kind_of(board)} with {board.relays} relays"
        yield _Port(f"board {board.id}", board.port, shown)
    if config.openzwave is not None:
        yield _Port("openzwave", config.openzwave.port, "a Z-Wave stick for OpenZWave")


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
