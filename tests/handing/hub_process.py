"""hubd as it is, but for its strike lines, which lie in a file.

`python -m tests.handing.hub_process BANK FOLDER …`, with hubd's own arguments behind.

FOLDER is where programs may lie that take over. A fault can be asked for by $HUB_FAULT.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from msgspec import structs

from drivers.gpio.events import Edges
from drivers.lock.commands import Commands
from hubcore.errors import HardwareError
from hubd.__main__ import run
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config import movers as sections
from hubd.config.file import Config
from hubd.serve import Handing
from hubd.wiring.hardware import real_parts
from hubd.wiring.made import MadeKind
from hubd.wiring.movers import make_movers, mover_kinds, strikes
from hubd.wiring.networks import make_networks
from hubd.wiring.parts import MadeMovers, Parts, TellPart
from hubupdate.running.daemon import ask

LOOK_SECONDS = 0.1
DIES_SECONDS = 0.5
FACTORY = "hubsim.door.lines:open_lines"


def parts(bank: Path, config: Config, keys: HubKeys, tell: TellPart) -> Parts:
    """Return a hub's real parts, with strikes on the lines of a file, and no contacts."""
    edges = Edges()
    networks = make_networks(config)

    def on_file(wanted: Sequence[sections.Strike], tell: TellPart) -> MadeKind:
        lines = [
            structs.replace(one, chip=str(bank), line=one.id, active_low=False) for one in wanted
        ]
        if os.environ.get("HUB_FAULT") == "other lines":
            lines = [structs.replace(one, cap_seconds=9.0) for one in lines]
        return strikes(lines, tell, FACTORY)

    def movers_of(commands: Commands) -> MadeMovers:
        rows = {**mover_kinds(networks, commands), sections.Strike: on_file}
        return make_movers(config, edges.put, tell, rows)

    if os.environ.get("HUB_FAULT") == "no parts":
        raise HardwareError("This version has no parts.")
    return replace(real_parts(config, keys, tell), inputs=edges, make_movers=movers_of, runs={})


def _die(config: Path) -> None:
    """End this process soon after it has begun to drive."""
    while _driver(config) != sys.prefix:
        time.sleep(LOOK_SECONDS)
    time.sleep(DIES_SECONDS)
    os._exit(1)


def _driver(config: Path) -> str:
    """Return from where the process runs that drives."""
    reply = ask(config.parent / "hubd.sock", "takeover-status", {})
    return str((reply.result or {}).get("place"))


def main() -> int:
    """Run the hub."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bank", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--take-over", type=int)
    options = parser.parse_args()
    fault = os.environ.get("HUB_FAULT")
    if fault == "does not start":
        return 3
    if fault == "dies when it drives":
        threading.Thread(target=_die, args=(options.config.absolute(),), daemon=True).start()
    handing = Handing(
        config_file=options.config,
        descriptor=options.take_over,
        folders=(options.folder,),
        owners=frozenset({0, os.getuid()}),
        arguments=(),
    )
    return run(options.config, partial(parts, options.bank), handing)


if __name__ == "__main__":
    sys.exit(main())
