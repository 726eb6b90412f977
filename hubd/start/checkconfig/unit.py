"""The check of a hub whose keys systemd hands over: only systemd, as root, can run it as the unit.

It goes in three steps:
1. `systemctl cat` says which files the unit hands over as keys.
2. Each of these files is looked at where it lies (`credstore`).
3. `systemd-run` runs this same check as the unit's user, with the keys that are right.

Law: when a step fails, what can be found without it is reported all the same.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hubcore.checks import CheckId
from hubcore.errors import HardwareError
from hubd.config.file import Config
from hubd.config.keys import SEALED_KEYS, KeyFile
from hubd.start.checkconfig import credstore, inside, page
from hubd.wiring.hardware import look_without_rights
from hubd.wiring.look.finding import Finding, FindingKind, found
from hubd.wiring.look.world import World

UNIT = "hubd.service"
CREDENTIALS_DIRECTORY = f"/{credstore.RUNNING}"
NO_CREDENTIALS = "/run/credentials/none"
_OF_USER = ("User=", "SupplementaryGroups=")
_WRITABLE = ("StateDirectory=", "ReadWritePaths=")
_STATE_DIRECTORIES = Path("/var/lib")


class _NoUnitError(Exception):
    """`systemctl cat` does not say what the unit is; `finding` says why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.text)
        self.finding = finding


class _NoPageError(Exception):
    """systemd did not run the check as the unit to its end: the command's status and words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status
        self.said = said


def credentials(config: Config) -> dict[str, KeyFile]:
    """Return the keys that systemd hands over, by their name in [keys] or of a reader."""
    handed: dict[str, KeyFile] = {}
    for name in config.keys.__struct_fields__:
        key = getattr(config.keys, name)
        if key is not None and key.credential:
            handed[name] = key
    for reader in config.readers:
        for name, file in reader.key_files().values():
            if file.credential:
                handed[name] = file
    return handed


def findings(file: Path, config: Config, world: World) -> list[Finding]:
    """Return what is found of a hub whose configuration lies in `file`."""
    if world.uid != 0:
        text = (
            f"{file} is well formed; whether keys, doors and machine are right "
            "takes root to tell: type it with sudo"
        )
        return [Finding(FindingKind.UNKNOWN, "keys", text), *look_without_rights(config)]
    try:
        unit = _unit(world)
    except _NoUnitError as error:
        return [error.finding, *inside.without_keys(config, world)]
    handed = credstore.handed_over(unit)
    looked = {
        key.path.name: credstore.look(name, key, handed.get(key.path.name), world)
        for name, key in _wanted(config, handed, world).items()
    }
    of_keys = [one for look in looked.values() for one in look.findings]
    if not any(look.there for look in looked.values()):
        of_keys = [found(CheckId.NO_HUB_YET, "keys")]
    lost = {credential for credential, look in looked.items() if not look.usable}
    passed = [one for name, one in handed.items() if name not in lost]
    of_unit = _run_as_unit(file, config, unit, passed, world)
    if lost:  # the look at the files has told it better
        of_unit = [one for one in of_unit if one.about != "keys"]
    return [*of_keys, *_may_write(config, unit), *of_unit]


def _unit(world: World) -> str:
    """Return the unit's files, as `systemctl cat` prints them. Raise _NoUnitError."""
    try:
        done = world.run(["systemctl", "cat", UNIT])
    except HardwareError as error:
        unavailable = Finding(FindingKind.UNAVAILABLE, "systemd", str(error))
        raise _NoUnitError(unavailable) from error
    if done.returncode:
        said = " ".join(done.stderr.split())
        check = CheckId.UNIT_MISSING if "No files found" in said else CheckId.SYSTEMD_UNKNOWN
        raise _NoUnitError(found(check, "unit", said=said))
    return done.stdout


def _wanted(
    config: Config, handed: dict[str, credstore.Handed], world: World
) -> dict[str, KeyFile]:
    """Return the keys whose files are looked at: the configured ones, and what else is handed."""
    return {**credstore.left_over(handed, world.root), **credentials(config)}


def _run_as_unit(
    file: Path,
    config: Config,
    unit: str,
    passed: Sequence[credstore.Handed],
    world: World,
) -> list[Finding]:
    """Return what this same check finds as the unit, or why it does not and what is found so."""
    try:
        return _page_of_unit(file, unit, passed, world)
    except HardwareError as error:
        why = Finding(FindingKind.UNAVAILABLE, "systemd", str(error))
    except _NoPageError as error:
        why = found(CheckId.KEYS_NOT_HANDED_OVER, "keys", status=error.status, said=error.said)
    return [why, *inside.without_keys(config, world)]


def _page_of_unit(
    file: Path, unit: str, passed: Sequence[credstore.Handed], world: World
) -> list[Finding]:
    """Run this same check as the unit's user with these keys handed over.

    Raise HardwareError, or _NoPageError when systemd does not run it to its end.
    """
    properties: list[str] = []
    for line in credstore.settings(unit):
        if line.startswith(_OF_USER):
            properties.append(line)
    sealed: list[str] = []
    for credential in passed:
        properties.append(credential.property)
        if credential.sealed:
            sealed.append(credential.name)
    variables = [f"{SEALED_KEYS}={':'.join(sealed)}"]
    if not passed:
        variables.append(f"CREDENTIALS_DIRECTORY={NO_CREDENTIALS}")
    done = world.run(
        [
            *("systemd-run", "--quiet", "--pipe", "--wait", "--collect"),
            *(f"--property={line}" for line in properties),
            *(f"--setenv={variable}" for variable in variables),
            *(sys.executable, "-P", "-m", "hubd", "--check-config", "--json"),
            *("--config", str(file.absolute())),
        ]
    )
    try:
        return page.decode(done.stdout)
    except ValueError as error:
        said = " ".join(done.stderr.split()) or "it says nothing"
        raise _NoPageError(done.returncode, said) from error


def _may_write(config: Config, unit: str) -> Iterator[Finding]:
    """Yield a finding when the unit does not let hubd write in its state directory."""
    folder = config.hub.state_directory
    if not any(folder.is_relative_to(place) for place in _writable(unit)):
        yield found(CheckId.STATE_READ_ONLY, "state directory", folder=folder)


def _writable(unit: str) -> Iterator[Path]:
    """Yield the folders that a unit lets its processes write in."""
    for line in credstore.settings(unit):
        name, _, words = line.partition("=")
        if f"{name}=" in _WRITABLE:
            for word in words.split():
                yield _STATE_DIRECTORIES / word.lstrip("-+")
