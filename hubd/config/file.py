"""The configuration: one TOML file to one frozen, typed `Config`, every key checked before anything is built.

Laws: a key that is unknown, missing, of the wrong type or out of range refuses the start, and so does a file that
everybody may write; the sentence names the file, the key, what was expected and what was found; a value that passed is
not checked again anywhere. A path is relative to the directory of the file; the path of a key may be `credential:NAME`,
a file that systemd hands over (LoadCredential).
The file holds no secrets, only where they lie; so what was found may be shown.
"""

from __future__ import annotations

import codecs
import errno
import ipaddress
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from hubcore.errors import ConfigError
from hubcore.phone import beacon
from hubcore.timing.budget import rate_min
from hubd.config.sentences import ConfigPlace, explain, show, toml_trouble

FILE_BYTES_MAX = 1 << 20
BYTE_ORDER_MARK = "\ufeff"
SOCKET_PATH_BYTES_MAX = 107
"""What `sun_path` of unix(7) holds beside its closing zero."""

SEALED_KEYS = "HUBD_SEALED_KEYS"
"""The variable in which sealed-keys.conf names the credentials that lie encrypted, with colons between them."""
PLAIN_STORE, SEALED_STORE = "/etc/credstore", "/etc/credstore.encrypted"
"""Where the installer puts what systemd hands over."""

_HOST_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_CREDENTIAL_NAME = re.compile(r"[!-.0-9;-~]{1,255}")
"""What systemd takes: a file's name in printable ASCII without a colon."""
_CREDENTIAL = "credential:"
_CREDENTIAL_UNKNOWN = "credential:NAME only where systemd sets $CREDENTIALS_DIRECTORY (LoadCredential= of the unit)"

Id = Annotated[str, Meta(pattern=r"\A[a-z0-9-]{1,32}\Z", description="1 to 32 characters of a-z, 0-9 and -")]
Name = Annotated[
    str, Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f]{1,64}\Z", description="1 to 64 characters, none of them a control")
]
Chip = Annotated[
    str,
    Meta(
        pattern=r"\A(/dev(/[A-Za-z0-9_:+-][A-Za-z0-9_:+.-]{0,63}){1,4}|[!-.0-~]{1,64})\Z",
        description='a GPIO chip as gpiodetect (apt install gpiod) shows it: a name such as "gpiochip0", a label, '
        "or a path in /dev",
    ),
]
LineNumber = Annotated[int, Meta(ge=0, le=65535)]
LineName = Annotated[str, Meta(pattern=r"\A[!-~]{1,64}\Z")]
Aead = Literal["A256GCM", "A192GCM", "A128GCM"]


class KeyFile:
    """Where a key lies. One handed over by systemd is guarded by systemd, whatever the mode of its copy.

    `place` is what a person may open: the file itself or, for one that systemd hands over, the file that the installer
    has put down; `sealed` says that this one lies encrypted.
    """

    __slots__ = ("credential", "path", "sealed")

    def __init__(self, path: Path, credential: bool = False, sealed: bool = False) -> None:
        self.path, self.credential, self.sealed = path, credential, sealed

    @property
    def place(self) -> str:
        """The installer's own file."""
        if not self.credential:
            return str(self.path)
        return f"{SEALED_STORE if self.sealed else PLAIN_STORE}/hubd.{self.path.name}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeyFile) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"KeyFile({str(self.path)!r}, credential={self.credential}, sealed={self.sealed})"


Key = Annotated[KeyFile, Meta(description="a path or credential:NAME")]


class Section(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file: closed, and never changed after it was read."""


class Hub(Section, frozen=True):
    """Who this hub is. `site` and `id` must be the ones in its certificate."""

    id: Id
    site: Id
    time_zone: Annotated[str, Meta(description='an IANA time zone such as "Europe/Berlin"')]
    state_directory: Annotated[Path, Meta(description="a directory")] = Path("/var/lib/hubd")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the site; `load` has checked that the machine knows it."""
        return ZoneInfo(self.time_zone)


class Keys(Section, frozen=True):
    """Where the keys lie: `identity` PEM (PKCS#8), `certificate` and `issuer` raw CBOR, `beacon` 16 raw bytes, the
    other two Z85 text."""

    identity: Key
    certificate: Key
    issuer: Key
    curve_secret: Key | None = None
    backend_public: Key | None = None
    beacon: Key | None = None


class Protocol(Section, frozen=True):
    """The limits of docs/protocol.md that a hub may choose. `aead` is in order of preference."""

    rsa_bits: Annotated[Literal[2048, 3072, 4096], Meta(description="2048, 3072 or 4096")] = 3072
    aead: Annotated[
        tuple[Aead, ...],
        Meta(min_length=1, max_length=3, description='one to three of "A256GCM", "A192GCM", "A128GCM"'),
    ] = ("A256GCM", "A192GCM", "A128GCM")
    grant_days_max: Annotated[int, Meta(ge=1, le=366, description="1 to 366")] = 90
    rsa_per_second: Annotated[float, Meta(ge=0.1, le=100, description="0.1 to 100")] = 5.0
    rsa_burst: Annotated[int, Meta(ge=1, le=100, description="1 to 100")] = 10
    links_max: Annotated[int, Meta(ge=1, le=32, description="1 to 32")] = 8


class Radio(Section, frozen=True):
    """Which Bluetooth adapter advertises; under which company and how long each tag, when there is `keys.beacon`."""

    adapter: Annotated[
        str,
        Meta(
            pattern=r"\A(default|([0-9A-F]{2}:){5}[0-9A-F]{2})\Z",
            description='"default" or an adapter\'s address such as "00:1A:7D:DA:71:13"',
        ),
    ] = "default"
    company: Annotated[int, Meta(ge=0, le=0xFFFF, description="0 to 65535, as the Bluetooth SIG assigned it")] = (
        beacon.COMPANY_NONE
    )
    rotate_seconds: Annotated[float, Meta(ge=1, le=3600, description="1 to 3600")] = beacon.ROTATE_SECONDS


class Backend(Section, frozen=True):
    """Where the backend listens. Without this table the hub decides alone and keeps its records."""

    endpoint: Annotated[
        str,
        Meta(
            pattern=r"\Atcp://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}\Z",
            description='"tcp://HOST:PORT" with a port of 1 to 65535',
        ),
    ]


class Line(Section, frozen=True):
    """One GPIO line, by its number or by its name. `active_low`: the line is active at low level."""

    chip: Chip
    line: Annotated[LineNumber | LineName, Meta(description="a line number of 0 to 65535 or a line name")]
    active_low: bool = False


_A_LINE = Meta(description='a line such as { chip = "gpiochip0", line = 17 }')


class AccessPoint(Section, frozen=True):
    """One direction through one door. `fresh` demands the phone's own key each time: no short path."""

    number: Annotated[int, Meta(ge=1, le=65535, description="1 to 65535")]
    name: Name
    fresh: bool = False


class Door(Section, frozen=True):
    """One door: its strike, how long it is driven, the inputs that watch it, and the ways through it.

    `strike_seconds`: one release. `strike_cap_seconds`: all releases that prolong each other. `strike_rest_seconds`:
    how long the strike then rests.
    """

    id: Id
    name: Name
    strike: Annotated[Line, _A_LINE]
    access_points: Annotated[
        tuple[AccessPoint, ...], Meta(min_length=1, max_length=16, description="1 to 16 tables [[doors.access_points]]")
    ]
    strike_seconds: Annotated[float, Meta(ge=0.2, le=30, description="0.2 to 30")] = 5.0
    strike_cap_seconds: Annotated[float, Meta(ge=0.2, le=60, description="strike_seconds to 60")] = 10.0
    strike_rest_seconds: Annotated[float, Meta(ge=0.5, le=600, description="0.5 to 600")] = 0.5
    held_open_seconds: Annotated[float, Meta(ge=1, le=86400, description="1 to 86400")] = 60.0
    dps: Annotated[Line | None, _A_LINE] = None
    rex: Annotated[Line | None, _A_LINE] = None


class Api(Section, frozen=True):
    """The local socket of hubctl."""

    socket: Annotated[Path, Meta(description="a path of at most 107 bytes")] = Path("/run/hubd/hubd.sock")


class Log(Section, frozen=True):
    """What is told to the journal."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description='"debug", "info", "warning" or "error"')
    ] = "info"


class Config(Section, frozen=True):
    """The whole file, checked."""

    hub: Hub
    keys: Keys
    doors: Annotated[tuple[Door, ...], Meta(min_length=1, max_length=32, description="1 to 32 tables [[doors]]")]
    protocol: Protocol = Protocol()
    radio: Radio = Radio()
    backend: Backend | None = None
    api: Api = Api()
    log: Log = Log()


class _Wrong(Exception):
    """A value that the types alone cannot refuse: (path of the key, what was expected, what was found)."""


def load(path: Path | str, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check the file at `path`. Raise ConfigError, a sentence for the installer, for whatever is wrong."""
    file = Path(path)
    return parse(_read(file), file, environment)


def parse(text: str, file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Check the text of a configuration; `file` is for sentences and for relative paths. Raise ConfigError."""
    if text.startswith(BYTE_ORDER_MARK):
        raise ConfigError(
            f"{file}: line 1, column 1: the file begins with a byte order mark (U+FEFF), which TOML may not have; save "
            f"it as UTF-8 without one, or type: sed -i '1s/^\\xEF\\xBB\\xBF//' {file}"
        )
    try:
        raw = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{file}: this is no TOML: {toml_trouble(str(error), text)}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: this is no TOML for hubd: nested too deep") from error
    place = ConfigPlace(raw, text)
    try:
        config = msgspec.convert(raw, Config, dec_hook=_paths(file.absolute().parent, environment))
        for check in (_check_zone, _check_backend, _check_doors, _check_rates, _check_unique, _check_socket):
            check(config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {explain(str(error), Config, place)}") from error
    except _Wrong as wrong:
        path, expected, found = wrong.args
        raise ConfigError(f"{file}: {place.key(path)}: expected {expected}, found {found}") from wrong
    return config


def _read(file: Path) -> str:
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(
                f"{file}: expected a configuration file, found a directory or another thing that is no regular file; "
                "move it away, or name yours with --config"
            )
        with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & stat.S_IWOTH:
                raise ConfigError(f"{file}: everybody may write it (mode {mode:03o}); type: chmod o-w {file}")
            data = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{file}: there is no such file; copy config/hubd.toml there and edit it, or name yours"
        ) from error
    except OSError as error:
        why = f"{error.strerror}; {_unreadable(error, file)}"
        raise ConfigError(f"{file}: the configuration cannot be read: {why}") from error
    except ValueError as error:
        raise ConfigError(f"{str(file)!r}: the configuration cannot be read: its name holds a zero byte") from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{file}: expected a configuration of at most {FILE_BYTES_MAX} bytes, found a longer file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            found = "UTF-16"
        raise ConfigError(
            f"{file}: line {line}: expected UTF-8, found {found}; save the file as UTF-8 in your editor"
        ) from error


def _unreadable(error: OSError, file: Path) -> str:
    """What to do about a file that is there and cannot be read."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"type: sudo chmod a+r {file} && sudo chmod a+x {file.absolute().parent}"
        case errno.ELOOP:
            return f"it is a link that leads to itself; type: ls -l {file}"
        case errno.EIO:
            return "the disk does not give it; look at dmesg"
    return f"type: ls -l {file}"


def _paths(base: Path, environment: Mapping[str, str]) -> Callable[[type, Any], Any]:
    """Return msgspec's hook that makes `Path` and `KeyFile` of text; a ValueError becomes its ValidationError."""
    sealed = environment.get(SEALED_KEYS, "").split(":")

    def text_of(value: Any) -> str:
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("no path")
        return value

    def hook(kind: type, value: Any) -> Any:
        text = text_of(value)
        if kind is Path:
            return base / text
        if not text.startswith(_CREDENTIAL):
            return KeyFile(base / text)
        name, directory = text.removeprefix(_CREDENTIAL), environment.get("CREDENTIALS_DIRECTORY")
        if not _CREDENTIAL_NAME.fullmatch(name) or name in (".", ".."):
            raise ValueError("no name of a credential")
        if not directory:
            raise ValueError(_CREDENTIAL_UNKNOWN)
        return KeyFile(Path(directory) / name, credential=True, sealed=name in sealed)

    return hook


def _check_zone(config: Config) -> None:
    try:
        _ = config.hub.zone
    except (OSError, ValueError, KeyError) as error:
        expected = 'an IANA time zone that this machine knows, such as "Europe/Berlin" (package tzdata)'
        raise _Wrong(("hub", "time_zone"), expected, show(config.hub.time_zone)) from error


def _check_backend(config: Config) -> None:
    if config.backend is None:
        return
    endpoint = config.backend.endpoint
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    where = ("backend", "endpoint")
    if not 1 <= int(port) <= 65535:
        raise _Wrong(where, "a port of 1 to 65535", show(endpoint))
    if not _can_be_reached(host):
        raise _Wrong(where, "the name or the address of a machine before the port", show(endpoint))
    for name in ("curve_secret", "backend_public"):
        if getattr(config.keys, name) is None:
            raise _Wrong(("keys", name), "a path or credential:NAME, because [backend] is there", "nothing")


def _can_be_reached(host: str) -> bool:
    """Tell whether a machine can have this name (RFC 1123, section 2.1) or address; whether one has, only a try tells.

    A last label of digits alone makes an address of it.
    """
    labels = host.removesuffix(".").split(".")
    if host.startswith("[") or labels[-1].isdecimal():
        try:
            address = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            return False
        return not (address.is_unspecified or address.is_multicast)
    return all(_HOST_LABEL.fullmatch(label) for label in labels)


def _check_doors(config: Config) -> None:
    for index, door in enumerate(config.doors):
        if door.strike_cap_seconds < door.strike_seconds:
            expected = f"at least strike_seconds, which is {door.strike_seconds:g}"
            raise _Wrong(("doors", f"[{index}]", "strike_cap_seconds"), expected, f"{door.strike_cap_seconds:g}")
    if len(set(config.protocol.aead)) != len(config.protocol.aead):
        raise _Wrong(("protocol", "aead"), "each name once", show(list(config.protocol.aead)))


def _check_rates(config: Config) -> None:
    """Limits that are right one by one may shut honest phones out together."""
    protocol = config.protocol
    least = rate_min(protocol.links_max)
    if protocol.rsa_per_second < least:
        expected = f"at least {least:g} for links_max = {protocol.links_max}, or strangers keep phones out"
        raise _Wrong(("protocol", "rsa_per_second"), expected, f"{protocol.rsa_per_second:g}")


def _check_unique(config: Config) -> None:
    """One id one door, one number one access point, one line one purpose."""
    seen: dict[object, str] = {}
    for path, mark, shown, owner in _marks(config):
        if mark in seen:
            raise _Wrong(path, "a value used once", f"{shown}, which {seen[mark]} has too")
        seen[mark] = owner


def _marks(config: Config) -> Iterator[tuple[Sequence[str], object, str, str]]:
    """Yield (path of the key, what must be unique, how to show it, whose it is)."""
    for index, door in enumerate(config.doors):
        where, owner = ("doors", f"[{index}]"), f"door {door.id!r}"
        yield (*where, "id"), ("door", door.id), show(door.id), "another door"
        for number, point in enumerate(door.access_points):
            path = (*where, "access_points", f"[{number}]", "number")
            yield path, ("access point", point.number), str(point.number), f"{point.name!r} of {owner}"
        for role, line in (("strike", door.strike), ("dps", door.dps), ("rex", door.rex)):
            if line is not None:
                chip = line.chip.removeprefix("/dev/")
                shown = f"line {line.line!r} of {chip}"
                yield (*where, role), ("line", chip, line.line), shown, f"{role} of {owner}"


def _check_socket(config: Config) -> None:
    size = len(os.fsencode(config.api.socket))
    if size > SOCKET_PATH_BYTES_MAX:
        expected = f"a path of at most {SOCKET_PATH_BYTES_MAX} bytes"
        raise _Wrong(("api", "socket"), expected, f"{size} bytes ({config.api.socket})")
