"""The configuration of updates: one TOML file, checked before the start.

Laws:
1. A key that is unknown, missing or of the wrong type refuses the start (exit status 78).
2. A relative path is beside the configuration; `credential:NAME` is what systemd hands over.
3. The file holds no secret.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Annotated, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from hubcore.calendar.schedule import Rule
from hubcore.errors import ConfigError
from hubupdate.carrier import Carrier
from hubupdate.folder import Folder
from hubupdate.trust import Repository
from hubupdate.web import Web

FILE_BYTES_MAX = 1 << 20
ROOT_BYTES_MAX = 1 << 19
CARRIERS_MAX = 8
WINDOWS_MAX = 16
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CREDENTIAL = "credential:"
_CREDENTIALS = "CREDENTIALS_DIRECTORY"

_Kind = TypeVar("_Kind", bound=msgspec.Struct)
HubId = Annotated[str, Meta(min_length=1, max_length=100)]
Channel = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{0,31}\Z")]
Minute = Annotated[str, Meta(pattern=r"\A([01][0-9]|2[0-3]):[0-5][0-9]\Z|\A24:00\Z")]
Day = Annotated[str, Meta(pattern=r"\A(mon|tue|wed|thu|fri|sat|sun)\Z")]


class CarrierPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One carrier: a folder, or a server with what TLS needs there."""

    folder: str = ""
    url: str = ""
    authority: str = ""
    """Who may have signed the server's certificate (PEM); empty: whom the system believes."""
    certificate: str = ""
    key: str = ""
    """What this hub shows to the server, both or neither (PEM)."""


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When this hub may switch, by the wall clock at the door."""

    start: Minute
    end: Minute
    days: Annotated[tuple[Day, ...], Meta(min_length=1, max_length=7)] = DAYS


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    hub: HubId
    """The hub's name in plans."""
    carriers: Annotated[tuple[CarrierPart, ...], Meta(min_length=1, max_length=CARRIERS_MAX)]
    time_zone: str
    channel: Channel = "stable"
    windows: Annotated[tuple[Window, ...], Meta(max_length=WINDOWS_MAX)] = ()
    images_root: str = "images.root.json"
    director_root: str = "director.root.json"
    state: str = "/var/lib/hubupdate"
    mounts: str = "/run/hubd-slots"
    answers: str = "/run/hubd-orders"
    board: str = "/run/hubupdate/status.json"
    socket: str = "/run/hubd/hubd.sock"

    @property
    def zone(self) -> ZoneInfo:
        """The time zone at the door. Raise ConfigError."""
        try:
            return ZoneInfo(self.time_zone)
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(
                f'time_zone: expected an IANA time zone such as "Europe/Berlin", '
                f"found {self.time_zone!r}"
            ) from error

    def rules(self) -> tuple[Rule, ...]:
        """Return the windows. Raise ConfigError."""
        return tuple(_rule(window) for window in self.windows)


class Sources(Protocol):
    """What a configuration says of where updates come from, and whom it believes at first."""

    @property
    def carriers(self) -> tuple[CarrierPart, ...]:
        """The carriers in their order."""

    @property
    def images_root(self) -> str:
        """The file of the first root of the images."""

    @property
    def director_root(self) -> str:
        """The file of the director's first root."""


def load(path: Path) -> Config:
    """Read the file. Raise ConfigError."""
    config = decode_file(path, Config)
    try:
        _ = config.zone
        config.rules()
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    return config


def decode_file(path: Path, kind: type[_Kind]) -> _Kind:
    """Read a file of TOML as this kind. Raise ConfigError."""
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise ConfigError(f"{path} is longer than any configuration")
        return msgspec.toml.decode(data, type=kind)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, msgspec.DecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def carriers_of(config: Sources, config_file: Path) -> list[Carrier]:
    """Return the carriers in their order. Raise ConfigError."""
    return [_carrier(part, config_file) for part in config.carriers]


def roots_of(config: Sources, config_file: Path) -> dict[Repository, bytes]:
    """Read the first roots, which came with the hub. Raise ConfigError."""
    return {
        Repository.IMAGES: _root(config.images_root, config_file),
        Repository.DIRECTOR: _root(config.director_root, config_file),
    }


def place_of(named: str, config_file: Path) -> Path:
    """Return where a file lies that the configuration names (law 2)."""
    credential = named.removeprefix(_CREDENTIAL)
    if credential == named:
        return config_file.absolute().parent / named
    return Path(os.environ.get(_CREDENTIALS, "/run/credentials")) / credential


def _carrier(part: CarrierPart, config_file: Path) -> Carrier:
    if bool(part.folder) == bool(part.url):
        raise ConfigError(f"{config_file}: a carrier is a folder or a url, one of the two")
    if part.folder:
        if part.authority or part.certificate or part.key:
            raise ConfigError(f"{config_file}: TLS is for a url")
        return Folder(place_of(part.folder, config_file))
    return Web(part.url, _context(part, config_file))


def _context(part: CarrierPart, config_file: Path) -> ssl.SSLContext | None:
    if not part.url.startswith("https:"):
        return None
    if bool(part.certificate) != bool(part.key):
        raise ConfigError(f"{config_file}: a certificate needs its key, and a key its certificate")
    authority = str(place_of(part.authority, config_file)) if part.authority else None
    try:
        context = ssl.create_default_context(cafile=authority)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if part.certificate:
            context.load_cert_chain(
                place_of(part.certificate, config_file), place_of(part.key, config_file)
            )
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{config_file}: {part.url}: {error.strerror or error}") from error
    return context


def _root(named: str, config_file: Path) -> bytes:
    path = place_of(named, config_file)
    try:
        with open(path, "rb") as file:
            data = file.read(ROOT_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}; it is the 1.root.json of who publishes"
        ) from error
    if not data or len(data) > ROOT_BYTES_MAX:
        raise ConfigError(f"{path} is no first root")
    return data


def _rule(window: Window) -> Rule:
    days = 0
    for day in window.days:
        days |= 1 << DAYS.index(day)
    start = _minutes(window.start)
    end = _minutes(window.end)
    if start >= end:
        raise ConfigError("a window ends after it starts; one over midnight is two windows")
    return Rule(days, start, end)


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])
