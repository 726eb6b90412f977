"""`hubd --check-config`: says before a start whether all is right, and what to do if not.

All is the configuration, the keys, and the machine.

Laws:
1. Nothing is started, driven or changed.
2. The judgement is the start's own (`load`, `load_keys`).
3. Keys that the unit hands over are looked at twice (`unit`): as root where the installer has put
   them, and as the unit's user once systemd has handed them over.
4. What is around hubd (`service`, `wear`, `firewall`) is looked at by whoever asks, and not again
   as the unit's user.
5. What is wrong with a key, or with systemd, hides nothing of the rest.

`page` has the exit status.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from hubcore.errors import ConfigError
from hubd.config.file import Config, load
from hubd.start.checkconfig import firewall, inside, page, service, unit, wear
from hubd.start.checkconfig.page import EX_CONFIG, EX_NOPERM, EX_UNAVAILABLE
from hubd.wiring.look.finding import Finding, FindingKind
from hubd.wiring.look.world import World

__all__ = ["EX_CONFIG", "EX_NOPERM", "EX_UNAVAILABLE", "World", "check", "run"]


def run(
    file: Path,
    as_json: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Check the file and all that it names; print what was found. Return the exit status."""
    findings = check(file, environment, World(os.geteuid()))
    write = page.encode if as_json else page.text
    print(write(findings), flush=True)  # noqa: T201
    return page.status(findings)


def check(file: Path, environment: Mapping[str, str], world: World) -> list[Finding]:
    """Check; return what was found."""
    try:
        if "CREDENTIALS_DIRECTORY" in environment:
            return list(inside.findings(load(file, environment), world))
        handing = {**environment, "CREDENTIALS_DIRECTORY": unit.CREDENTIALS_DIRECTORY}
        config = load(file, handing)
        if unit.credentials(config):
            return [*_around(config, world), *unit.findings(file, config, world)]
        config = load(file, environment)
    except ConfigError as error:
        return [Finding(FindingKind.WRONG, "configuration", str(error))]
    return [*_around(config, world), *inside.findings(config, world)]


def _around(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found around hubd, with the rights of whoever asks: once, and not as hubd."""
    yield from service.look(world)
    yield from wear.look(config.hub.state_directory, world.sys)
    yield from firewall.look(config, world.root)
