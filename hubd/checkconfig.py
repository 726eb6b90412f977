"""`hubd --check-config`: says before a start whether configuration, keys and strikes are right, and what to do if not.

Laws: nothing is started, driven or changed; the judgement is the start's own (`load`, `load_keys`); keys that the unit
hands over are looked at as the unit will hand them over, by systemd itself and as the unit's user, so that rights and
encryption are judged too. Exit status: 0 right, 78 wrong, 77 it takes root to tell, 69 a strike's line is not there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import gpiod
import zmq.utils.z85

from drivers.lines import find_offset
from hubd.adapters.keyfiles import HubKeys, load_beacon, load_keys
from hubd.config import Config, load
from hubd.errors import ConfigError, HardwareError
from hubd.hardware import strike_lines

EX_UNAVAILABLE, EX_NOPERM, EX_CONFIG = 69, 77, 78

UNIT = "hubd.service"
SYSTEMD_SECONDS = 60.0
_HANDED_OVER = ("User=", "LoadCredential=", "LoadCredentialEncrypted=")

Say = Callable[[str], None]
Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]


def run(file: Path, environment: Mapping[str, str] = os.environ) -> int:
    """Check the file and all that it names; tell it on standard output. Return the exit status."""
    return check(file, environment, os.geteuid(), _systemd, lambda text: print(text, flush=True))  # noqa: T201


def check(file: Path, environment: Mapping[str, str], uid: int, systemd: Run, say: Say) -> int:
    """Check; `systemd` runs one of its commands and says HardwareError when there is none."""
    try:
        if "CREDENTIALS_DIRECTORY" not in environment:
            config = load(file, {**environment, "CREDENTIALS_DIRECTORY": f"/run/credentials/{UNIT}"})
            if _handed_over(config):
                return _by_systemd(file, uid, systemd, say)
        config = load(file, environment)
        keys = load_keys(config)
        load_beacon(config)
    except ConfigError as error:
        say(f"hubd: {error}")
        return EX_CONFIG
    for line in _described(config, keys):
        say(line)
    return _strikes(config, say)


def _handed_over(config: Config) -> bool:
    keys = config.keys
    named = (keys.identity, keys.certificate, keys.issuer, keys.curve_secret, keys.backend_public, keys.beacon)
    return any(key is not None and key.credential for key in named)


def _by_systemd(file: Path, uid: int, systemd: Run, say: Say) -> int:
    """Have systemd run this same check with what the unit is handed."""
    if uid != 0:
        say(f"hubd: {file}: the configuration is right; whether the keys are takes root to tell: type it with sudo")
        return EX_NOPERM
    try:
        unit = systemd(["systemctl", "cat", UNIT])
        if unit.returncode:
            raise HardwareError(f"{UNIT} is not installed ({unit.stderr.strip()}); type: make install")
        properties = [f"--property={line}" for line in unit.stdout.splitlines() if line.startswith(_HANDED_OVER)]
        command = [sys.executable, "-P", "-m", "hubd", "--check-config", "--config", str(file.absolute())]
        done = systemd(["systemd-run", "--quiet", "--pipe", "--wait", "--collect", *properties, *command])
    except HardwareError as error:
        say(f"hubd: {error}")
        return EX_UNAVAILABLE
    say((done.stdout + done.stderr).strip())
    return done.returncode


def _systemd(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=SYSTEMD_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise HardwareError(f"the keys are handed over by systemd, which cannot be asked: {error}") from error


def _described(config: Config, keys: HubKeys) -> Iterator[str]:
    """Yield what a technician compares with the order: who, until when, where."""
    hub, certified = config.hub, keys.certified
    until = datetime.fromtimestamp(certified.expires, UTC)
    yield f"configuration and keys are right: hub {hub.id} of site {hub.site}, {hub.time_zone}"
    yield f"certificate: access points {', '.join(map(str, certified.access_points))}, until {until:%Y-%m-%d %H:%M} UTC"
    if config.backend is None or keys.link is None:
        yield "backend: none, the hub decides alone and keeps its records"
    else:
        public = zmq.utils.z85.encode(keys.link.public).decode()
        yield f"backend: {config.backend.endpoint}; it must know this hub's public key {public}"


def _strikes(config: Config, say: Say) -> int:
    """Say of each strike whether its line is there; none is requested, so the hub may run meanwhile."""
    status = 0
    for door, line in zip(config.doors, strike_lines(config), strict=True):
        try:
            say(f"door {door.id}: strike on {line}, offset {find_offset(line, gpiod.Chip)}")
        except HardwareError as error:
            say(f"door {door.id}: {error}")
            status = EX_UNAVAILABLE
    return status
