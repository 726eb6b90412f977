"""`hubd --check-config`: says before a start whether configuration, keys and machine are right, and
what to do if not.

Laws: nothing is started, driven or changed; the judgement is the start's own (`load`, `load_keys`);
keys that the unit hands over are looked at twice, as root where the installer has put them, and
then as the unit will hand them over, by systemd itself and as the unit's user; what is wrong with
one of them, or with systemd, hides nothing of the rest. `page` has the exit status.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gpiod
import zmq.utils.z85

from drivers.gpio.lines import OpenChip
from hubcore.errors import ConfigError, HardwareError
from hubcore.timing.moment import show_seconds
from hubd.adapters.host.keyfiles import HubKeys, load_beacon, load_keys
from hubd.config.file import SEALED_KEYS, Config, KeyFile, load
from hubd.start.checkconfig import credstore, machine, page, wiring
from hubd.start.checkconfig.page import (
    EX_CONFIG,
    EX_NOPERM,
    EX_UNAVAILABLE,
    Finding,
    FindingKind,
    finding,
    found,
)
from hubd.upkeep.checks import CheckId, Severity, certificate_problem

__all__ = ["EX_CONFIG", "EX_NOPERM", "EX_UNAVAILABLE", "World", "check", "run"]

UNIT = "hubd.service"
COMMAND_SECONDS = 60.0
NO_CREDENTIALS = "/run/credentials/none"
_USER = "User="
_WRITABLE = ("StateDirectory=", "ReadWritePaths=")

Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


class _NoPageError(Exception):
    """systemd did not run the check as the unit to its end: the command's status, and what
    it said.
    """

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


def _run_command(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            argv, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HardwareError(f"{argv[0]} cannot be asked: {error}") from error


@dataclass(frozen=True, slots=True)
class World:
    """What is asked of the machine. `run` runs a command and says HardwareError when there is none.

    Below `root` lie /etc, /dev and /sys, and `owner` is the user whose files there count as root's;
    `ask_bluez` takes the configured adapter and says what is missing.
    """

    uid: int
    owner: int = 0
    run: Run = _run_command
    root: Path = Path("/")
    open_chip: OpenChip = gpiod.Chip
    ask_bluez: Callable[[str], str] = machine.ask_bluez
    now: Callable[[], float] = time.time


def run(file: Path, as_json: bool = False, environment: Mapping[str, str] = os.environ) -> int:
    """Check the file and all that it names; tell it on standard output. Return the exit status."""
    findings = check(file, environment, World(os.geteuid()))
    text = page.encode(findings) if as_json else "\n".join(page.lines(findings))
    print(text, flush=True)  # noqa: T201
    return page.status(findings)


def check(file: Path, environment: Mapping[str, str], world: World) -> list[Finding]:
    """Check; return what was found."""
    try:
        if "CREDENTIALS_DIRECTORY" not in environment:
            config = load(
                file, {**environment, "CREDENTIALS_DIRECTORY": f"/run/credentials/{UNIT}"}
            )
            if _credentials(config):
                return _by_systemd(file, config, world)
        config = load(file, environment)
    except ConfigError as error:
        return [Finding(FindingKind.WRONG, "configuration", str(error))]
    return list(_inspect(config, world))


def _credentials(config: Config) -> dict[str, KeyFile]:
    """The keys that systemd hands over, by their name in [keys]."""
    keys = config.keys
    named = {name: getattr(keys, name) for name in keys.__struct_fields__}
    return {name: key for name, key in named.items() if key is not None and key.credential}


def _by_systemd(file: Path, config: Config, world: World) -> list[Finding]:
    """Look at the files that systemd hands over, and have it run this same check with them."""
    if world.uid != 0:
        text = (
            f"{file} is well formed; whether keys, doors and machine are right takes root "
            "to tell: type it with sudo"
        )
        return [Finding(FindingKind.UNKNOWN, "keys", text), *wiring.to_be_replaced(config)]
    try:
        unit = world.run(["systemctl", "cat", UNIT])
    except HardwareError as error:
        return [
            Finding(FindingKind.UNAVAILABLE, "systemd", str(error)),
            *_without_the_unit(config, world),
        ]
    if unit.returncode:
        said = " ".join(unit.stderr.split())
        check = CheckId.UNIT_MISSING if "No files found" in said else CheckId.SYSTEMD_UNKNOWN
        return [found(check, "unit", said=said), *_without_the_unit(config, world)]
    handed = credstore.handed_over(unit.stdout)
    wanted = {**credstore.left_over(handed, world.root), **_credentials(config)}
    looked = {
        name: credstore.look(
            name, key, handed.get(key.path.name), world.run, world.root, world.owner
        )
        for name, key in wanted.items()
    }
    lost = {key.path.name for name, key in wanted.items() if not looked[name].usable}
    passed = [credential for name, credential in handed.items() if name not in lost]
    try:
        inside = _as_the_unit(file, unit.stdout, passed, world)
    except HardwareError as error:
        inside = [
            Finding(FindingKind.UNAVAILABLE, "systemd", str(error)),
            *_without_the_unit(config, world),
        ]
    except _NoPageError as error:
        silent = found(CheckId.KEYS_NOT_HANDED_OVER, "keys", status=error.status, said=error.said)
        inside = [silent, *_without_the_unit(config, world)]
    of_keys = [one for look in looked.values() for one in look.findings]
    if lost:
        inside = [one for one in inside if one.about != "keys"]  # told better already
    return [*of_keys, *_may_write(config, unit.stdout), *inside]


def _as_the_unit(
    file: Path, unit: str, passed: list[credstore.Handed], world: World
) -> list[Finding]:
    """Return what this same check finds as the unit's user with the keys handed over.

    Raise HardwareError, or _NoPageError when systemd does not run it to its end.
    """
    properties = [
        f"--property={line}" for line in credstore.settings(unit) if line.startswith(_USER)
    ]
    properties += [f"--property={credential.property}" for credential in passed]
    sealed = ":".join(credential.name for credential in passed if credential.sealed)
    settings = [f"--setenv={SEALED_KEYS}={sealed}"]
    if not passed:
        settings.append(f"--setenv=CREDENTIALS_DIRECTORY={NO_CREDENTIALS}")
    command = [
        sys.executable,
        "-P",
        "-m",
        "hubd",
        "--check-config",
        "--json",
        "--config",
        str(file.absolute()),
    ]
    done = world.run(
        [
            "systemd-run",
            "--quiet",
            "--pipe",
            "--wait",
            "--collect",
            *properties,
            *settings,
            *command,
        ]
    )
    try:
        return page.decode(done.stdout)
    except ValueError as error:
        raise _NoPageError(
            done.returncode, " ".join(done.stderr.split()) or "it says nothing"
        ) from error


def _may_write(config: Config, unit: str) -> Iterator[Finding]:
    """The unit lets hubd write in its own folders alone: a state directory elsewhere must be named
    there, too.
    """
    folder = config.hub.state_directory
    places = list[Path]()
    for line in credstore.settings(unit):
        for name in _WRITABLE:
            words = line.removeprefix(name).split() if line.startswith(name) else []
            places += [Path("/var/lib") / word.lstrip("-+") for word in words]
    if not any(folder.is_relative_to(place) for place in places):
        yield found(CheckId.STATE_READ_ONLY, "state directory", folder=folder)


def _inspect(config: Config, world: World) -> Iterator[Finding]:
    """Yield what this process finds by itself."""
    yield Finding(FindingKind.FACT, "hub", f"{config.hub.id} of site {config.hub.site}")
    try:
        keys = load_keys(config)
        load_beacon(config)
    except ConfigError as error:
        yield Finding(FindingKind.WRONG, "keys", str(error))
    else:
        yield from _certificate(config, keys, world.now())
        yield _backend(config, keys)
    yield from _without_the_unit(config, world)
    yield from machine.state(config)


def _without_the_unit(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found with neither the keys nor the unit's user, who alone can tell whether the
    state is usable.
    """
    yield machine.time_zone(config, world.now())
    yield from wiring.findings(config, world.root / "dev", world.open_chip)
    yield from machine.bluetooth(
        config=config, run=world.run, sys=world.root / "sys", ask_bluez=world.ask_bluez
    )
    yield from machine.clock(world.root / "sys")


def _certificate(config: Config, keys: HubKeys, now: float) -> Iterator[Finding]:
    """What a technician compares with the order: which access points, until when."""
    certified = keys.certified
    place = config.keys.certificate.place
    points = ", ".join(map(str, certified.access_points))
    text = f"access points {points}, until {show_seconds(certified.expires)}"
    told = certificate_problem(
        begins=certified.not_before, expires=certified.expires, now=now, file=str(place)
    )
    if told is None or told.severity is Severity.WARNING:
        yield Finding(FindingKind.FACT, "certificate", text)
    if told is not None:
        yield finding(told, "certificate")


def _backend(config: Config, keys: HubKeys) -> Finding:
    if config.backend is None or keys.uplink is None:
        return Finding(
            FindingKind.FACT, "backend", "none, the hub decides alone and keeps its records"
        )
    own, theirs = (
        zmq.utils.z85.encode(key).decode() for key in (keys.uplink.public, keys.uplink.backend)
    )
    text = (
        f"{config.backend.endpoint}; it must know this hub's public key {own}, and its own "
        f"must be {theirs}"
    )
    return Finding(FindingKind.FACT, "backend", text)
