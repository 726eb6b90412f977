"""The serial ports that a configuration names: whether they are there, and may be used.

Laws:
1. No port is opened, so a hub may run meanwhile, and no board is disturbed.
2. Two names of one port are one port, whatever uses it (`hubd.config.serial` has the list).
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from hubcore.checks import CheckId
from hubd.config.file import Config
from hubd.config.section import kind_of
from hubd.config.serial import SerialLine
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

GROUP = "dialout"
"""Debian's group of serial ports; hubd is in it where there are boards (docs/hub.md, Devices)."""
READERS = "readers"
"""The table of readers in the file."""
_OF_GROUP = stat.S_IRGRP | stat.S_IWGRP


class _Port(NamedTuple):
    """A port of the configuration: what it is about, and what hangs on it."""

    about: str
    path: str
    shown: str


def look(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found of the port of every board and stick, and of lines with two users."""
    yield from _shared(config, world)
    for port in _ports(config):
        path = world.root / port.path.lstrip("/")
        try:
            found_at = path.resolve(strict=True)
            status = os.stat(found_at)
        except OSError:
            yield found(CheckId.PORT_MISSING, port.about, port=port.path)
            continue
        if not stat.S_ISCHR(status.st_mode):
            yield found(CheckId.PORT_NO_LINE, port.about, port=port.path)
        elif not may_use(found_at, status, world.uid):
            yield not_ours(port.about, port.path, status)
        else:
            yield fact(port.about, f"{port.shown} on {port.path}")


def _shared(config: Config, world: World) -> Iterator[Finding]:
    """Yield the lines that two users have, each by another name; of readers `serial` tells."""
    seen: dict[Path, SerialLine] = {}
    for line in config.serial_lines():
        path = (world.root / line.path.lstrip("/")).resolve()
        other = seen.setdefault(path, line)
        if other is line or line.key[0] == other.key[0] == READERS:
            continue
        yield found(
            CheckId.PORT_SHARED,
            line.user,
            port=line.path,
            other=f"{other.user}, {other.path}",
        )


def _ports(config: Config) -> Iterator[_Port]:
    """Yield the ports that hubd opens itself."""
    for board in config.relay_boards:
        shown = f"{kind_of(board)} with {board.relays} relays"
        yield _Port(f"board {board.id}", board.port, shown)
    if config.openzwave is not None:
        yield _Port("openzwave", config.openzwave.port, "a Z-Wave stick for OpenZWave")


def may_use(path: Path, status: os.stat_result, uid: int) -> bool:
    """Tell whether hubd may use a port; root looks for a hubd that runs as another user."""
    if uid != 0:
        return os.access(path, os.R_OK | os.W_OK)
    return _group_name(status.st_gid) == GROUP and status.st_mode & _OF_GROUP == _OF_GROUP


def not_ours(about: str, port: str, status: os.stat_result) -> Finding:
    """Return the finding of a port that hubd may not use."""
    return found(
        CheckId.PORT_NOT_OURS,
        about,
        port=port,
        group=_group_name(status.st_gid),
        mode=stat.S_IMODE(status.st_mode),
    )


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
