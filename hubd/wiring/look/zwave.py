"""What Z-Wave needs on this machine: the service with its modules, its socket, and the stick.

Laws:
1. The service is reached and left again, and asked nothing. The stick is looked for, never opened.
2. Where the service is installed stands in its unit.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from hubcore.checks import CheckId
from hubd.config.devices import Zwave
from hubd.config.file import Config
from hubd.config.movers import ZwaveLock
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

ABOUT = "zwave"
UNIT = "usr/lib/systemd/system/hubd-zwave.service"
"""Below the root: the unit as `make install-zwave` puts it there."""
MODULES = ("zwave-js", "@zwave-js/server")
CONNECT_SECONDS = 2.0

_BEGUN = re.compile(r"^ExecStart=(/\S+) (/\S+)$", re.MULTILINE)


def look(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found, nothing where nothing is on Z-Wave."""
    movers = [mover for door in config.doors for mover in door.moved_by]
    if config.zwave is None and not any(isinstance(mover, ZwaveLock) for mover in movers):
        return
    section = config.zwave or Zwave()
    missing = _missing(world.root)
    if missing is not None:
        yield found(CheckId.ZWAVE_MISSING, ABOUT, missing=missing)
    else:
        yield from _reached(section.socket, world.root)
    yield from _stick(section.stick, world.root)


def _missing(root: Path) -> str | None:
    """Return which file of the service is not there."""
    try:
        begun = _BEGUN.search((root / UNIT).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        begun = None
    if begun is None:
        return f"/{UNIT}"
    node, program = begun.groups()
    modules = Path(program).parent / "node_modules"
    wanted = [Path(node), Path(program)]
    wanted += [modules / name / "package.json" for name in MODULES]
    for file in wanted:
        if not (root / file.relative_to("/")).is_file():
            return str(file)
    return None


def _reached(path: Path, root: Path) -> Iterator[Finding]:
    """Yield whether somebody listens on the service's socket."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(CONNECT_SECONDS)
        try:
            link.connect(str(root / path.relative_to("/")))
        except OSError as error:
            why = error.strerror or "no answer in time"
            yield found(CheckId.ZWAVE_SILENT, ABOUT, socket=path, why=why)
        else:
            yield fact(ABOUT, f"its service listens on {path}")


def _stick(path: str, root: Path) -> Iterator[Finding]:
    try:
        is_device = stat.S_ISCHR(os.stat(root / path.lstrip("/")).st_mode)
    except OSError:
        is_device = False
    if is_device:
        yield fact(ABOUT, f"its stick is there: {path}")
    else:
        yield found(CheckId.ZWAVE_STICK, ABOUT, stick=path)
