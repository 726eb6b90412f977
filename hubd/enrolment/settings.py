"""The configuration of a hub that was enrolled: its backend, and its doors with their lines.

Laws:
1. hubd itself judges the text before it is written (`hubd.config.file.parse`).
2. A configuration for the same hub, site and backend is the installer's own: it stays as it is.
3. Any other one is kept under another name before a new one takes its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hubcore.backend.enrolment.messages import Enrolled
from hubcore.errors import ConfigError
from hubd.config.backend import ENDPOINTS_MAX
from hubd.config.file import Config, parse
from hubd.enrolment.durable import PUBLIC, Durable, read

CHANGE_ME = "CHANGE-ME"
"""The chip of a strike that nobody has named."""
CREDENTIALS: Mapping[str, str] = {"CREDENTIALS_DIRECTORY": "/run/credentials/hubd.service"}
_KEPT_MAX = 1000
_PLACE = re.compile(r"\Aline [0-9]+: ")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chip; `active_low` as in the configuration."""

    chip: str
    line: str
    active_low: bool = False

    def text(self) -> str:
        """Return it as TOML."""
        line = self.line if self.line.isdecimal() else _quoted(self.line)
        low = ", active_low = true" if self.active_low else ""
        return f"{{ chip = {_quoted(self.chip)}, line = {line}{low} }}"


@dataclass(frozen=True, slots=True)
class DoorLines:
    """How a door is wired."""

    strike: Line | None = None
    dps: Line | None = None
    rex: Line | None = None


def text_of(enrolled: Enrolled, lines: Mapping[int, DoorLines], place: Path) -> str:
    """Return the configuration of a hub. Raise ConfigError for one that hubd would not take."""
    missing = set(lines) - {door.access_point for door in enrolled.doors}
    if missing:
        there = ", ".join(str(door.access_point) for door in enrolled.doors)
        raise ConfigError(
            f"this hub has no access point {min(missing)}; its certificate has {there}"
        )
    text = _head(enrolled)
    for index, door in enumerate(enrolled.doors):
        wired = lines.get(door.access_point, DoorLines())
        strike = wired.strike or Line(CHANGE_ME, str(index))
        text += f"""
[[doors]]
id = "door-{door.access_point}"
name = {_quoted(door.name)}
strike = {strike.text()}
"""
        if wired.dps is not None:
            text += f"dps = {wired.dps.text()}\n"
        if wired.rex is not None:
            text += f"rex = {wired.rex.text()}\n"
        text += f"""
[[doors.access_points]]
number = {door.access_point}
name = {_quoted(door.name)}
"""
    _judge(text, place)
    return text


def _judge(text: str, place: Path) -> None:
    """Raise ConfigError for a text that hubd would not take: no file has it, so none is named."""
    try:
        parse(text, place, CREDENTIALS)
    except ConfigError as error:
        why = _PLACE.sub("", str(error).removeprefix(f"{place}: "))
        raise ConfigError(
            f"of the backend's answer and the lines that were named no configuration can be made: "
            f"{why}. Nothing was changed. Name other lines, or ask the operator for a new token"
        ) from error


def _head(enrolled: Enrolled) -> str:
    optional = ""
    if enrolled.beacon:
        optional += 'beacon = "credential:beacon"\n'
    if enrolled.card_key:
        optional += 'card_key = "credential:card_key"\n'
    return f"""# /etc/hubd/hubd.toml of hub {enrolled.hub}, written by `hubctl enroll`.
# config/hubd.toml in the source says what else it may hold. It is yours to edit.

[hub]
id = {_quoted(enrolled.hub)}
site = {_quoted(enrolled.site)}
time_zone = {_quoted(enrolled.time_zone)}

[keys]
identity = "credential:identity"
certificate = "credential:certificate"
issuer = "credential:issuer"
curve_secret = "credential:curve_secret"
backend_public = "credential:backend_public"
tls_key = "credential:tls_key"
tls_certificate = "credential:tls_certificate"
tls_authority = "credential:tls_authority"
{optional}
[backend]
{_endpoints(enrolled.endpoints)}
"""


def _endpoints(endpoints: tuple[str, ...]) -> str:
    """Return the line of the configuration that names them, in their order."""
    if len(endpoints) == 1:
        return f"endpoint = {_quoted(endpoints[0])}"
    listed = ", ".join(_quoted(endpoint) for endpoint in endpoints[:ENDPOINTS_MAX])
    return f"endpoints = [{listed}]"


def _quoted(text: str) -> str:
    """Return a TOML string of printable text: JSON's form, with every letter as it is."""
    return json.dumps(text, ensure_ascii=False)


def put_config(place: Path, text: str, enrolled: Enrolled, files: Durable) -> Path | None:
    """Put the configuration in its place, unless the one there is for the same hub.

    Return where an older one is kept, None when there was none or it stays in force.
    """
    old = read(place)
    if old is not None and (old == text.encode() or _is_of(old, place, enrolled)):
        return None
    kept = None
    if old is not None:
        kept = _free_name(place, old)
        files.write(kept, old, PUBLIC)
    files.write(place, text.encode(), PUBLIC)
    return kept


def _is_of(old: bytes, place: Path, enrolled: Enrolled) -> bool:
    try:
        config: Config = parse(old.decode(), place, CREDENTIALS)
    except (ConfigError, UnicodeDecodeError):
        return False
    same_hub = config.hub.id == enrolled.hub and config.hub.site == enrolled.site
    if not same_hub or config.backend is None:
        return False
    return set(config.backend.places) <= set(enrolled.endpoints)


def _free_name(place: Path, old: bytes) -> Path:
    """Return a name for the older one: one that is free, or that holds the same already."""
    for number in range(1, _KEPT_MAX):
        path = place.with_name(f"{place.name}.before-{number}")
        held = read(path)
        if held is None or held == old:
            return path
    raise ConfigError(f"{place.parent} holds too many old configurations: remove some")
