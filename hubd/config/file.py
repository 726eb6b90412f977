"""The configuration: one TOML file to one frozen, typed `Config`, every key checked before anything
is built.

Laws: a key that is unknown, missing, of the wrong type or out of range refuses the start, and so
does a file that everybody may write; the sentence names the file, the key, what was expected and
what was found; a value that passed is not checked again anywhere. A path is relative to the
directory of the file; the path of a key may be `credential:NAME`, a file that systemd hands over
(LoadCredential). The file holds no secrets, only where they lie; so what was found may be shown.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from hubcore.errors import ConfigError
from hubcore.timing.budget import rate_min
from hubd.config.kinds import (
    STRIKES_MAX,
    Backend,
    Bluez,
    Id,
    Line,
    Mover,
    Radio,
    Section,
    Strike,
    kind_of,
    with_default_kinds,
)
from hubd.config.sentences import ConfigPlace, WrongValueError, explain, show, toml_trouble

FILE_BYTES_MAX = 1 << 20
BYTE_ORDER_MARK = "\ufeff"
SOCKET_PATH_BYTES_MAX = 107
"""What `sun_path` of unix(7) holds beside its closing zero."""

SEALED_KEYS = "HUBD_SEALED_KEYS"
"""The variable in which sealed-keys.conf names the credentials that lie encrypted, with colons
between them.
"""
PLAIN_STORE = "/etc/credstore"
SEALED_STORE = "/etc/credstore.encrypted"
"""Where the installer puts what systemd hands over."""

_CREDENTIAL_NAME = re.compile(r"[!-.0-9;-~]{1,255}")
"""What systemd takes: a file's name in printable ASCII without a colon."""
_CREDENTIAL = "credential:"
_CREDENTIAL_UNKNOWN = (
    "credential:NAME only where systemd sets $CREDENTIALS_DIRECTORY (LoadCredential= of the unit)"
)

Name = Annotated[
    str,
    Meta(
        pattern=r"\A[^\x00-\x1f\x7f-\x9f]{1,64}\Z",
        description="1 to 64 characters, none of them a control",
    ),
]
Aead = Literal["A256GCM", "A192GCM", "A128GCM"]


class KeyFile:
    """Where a key lies. One handed over by systemd is guarded by systemd, whatever the mode of its
    copy.

    `place` is what a person may open: the file itself or, for one that systemd hands over, the file
    that the installer has put down; `sealed` says that this one lies encrypted.
    """

    __slots__ = ("credential", "path", "sealed")

    def __init__(self, path: Path, credential: bool = False, sealed: bool = False) -> None:
        self.path = path
        self.credential = credential
        self.sealed = sealed

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
    """Where the keys lie: `identity` PEM (PKCS#8), `certificate` and `issuer` raw CBOR, `beacon` 16
    raw bytes, the other two Z85 text.
    """

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
        Meta(
            min_length=1,
            max_length=3,
            description='one to three of "A256GCM", "A192GCM", "A128GCM"',
        ),
    ] = ("A256GCM", "A192GCM", "A128GCM")
    grant_days_max: Annotated[int, Meta(ge=1, le=366, description="1 to 366")] = 90
    rsa_per_second: Annotated[float, Meta(ge=0.1, le=100, description="0.1 to 100")] = 5.0
    rsa_burst: Annotated[int, Meta(ge=1, le=100, description="1 to 100")] = 10
    links_max: Annotated[int, Meta(ge=1, le=32, description="1 to 32")] = 8


_A_LINE = Meta(description='a line such as { chip = "gpiochip0", line = 17 }')


class AccessPoint(Section, frozen=True):
    """One direction through one door.

    `fresh` demands the phone's own key each time: no short path.
    """

    number: Annotated[int, Meta(ge=1, le=65535, description="1 to 65535")]
    name: Name
    fresh: bool = False


class WiredLine(NamedTuple):
    """One GPIO line of a door: what it is for, and its key below the door."""

    role: str
    key: tuple[str, ...]
    line: Line


class Door(Section, frozen=True, kw_only=True):
    """One door: what moves it and for how long, the inputs that watch it, and the ways through it.

    `strike` is the short form of one mover; a door with more has `movers`.
    `strike_seconds`: one release. `strike_cap_seconds`: all releases that prolong each other.
    `strike_rest_seconds`: how long the strike then rests. A mover may have a cap and a rest of its
    own.
    """

    id: Id
    name: Name
    strike: Annotated[Line | None, _A_LINE] = None
    movers: Annotated[
        tuple[Mover, ...], Meta(max_length=8, description="1 to 8 tables [[doors.movers]]")
    ] = ()
    access_points: Annotated[
        tuple[AccessPoint, ...],
        Meta(min_length=1, max_length=16, description="1 to 16 tables [[doors.access_points]]"),
    ]
    strike_seconds: Annotated[float, Meta(ge=0.2, le=30, description="0.2 to 30")] = 5.0
    strike_cap_seconds: Annotated[
        float, Meta(ge=0.2, le=60, description="strike_seconds to 60")
    ] = 10.0
    strike_rest_seconds: Annotated[float, Meta(ge=0.5, le=600, description="0.5 to 600")] = 0.5
    held_open_seconds: Annotated[float, Meta(ge=1, le=86400, description="1 to 86400")] = 60.0
    dps: Annotated[Line | None, _A_LINE] = None
    rex: Annotated[Line | None, _A_LINE] = None

    @property
    def moved_by(self) -> tuple[Mover, ...]:
        """What moves it, each with its cap and its rest.

        The strike of the short form has the door's id.
        """
        listed = self.movers
        if self.strike is not None:
            short = self.strike
            listed = (
                Strike(
                    id=self.id,
                    chip=short.chip,
                    line=short.line,
                    active_low=short.active_low,
                ),
            )
        return tuple(
            mover.at_door(self.strike_cap_seconds, self.strike_rest_seconds) for mover in listed
        )

    @property
    def cap_seconds(self) -> float:
        """The longest that any of its movers is driven at a stretch."""
        return max(mover.cap_seconds for mover in self.moved_by)

    def lines(self) -> Iterator[WiredLine]:
        """Yield the GPIO lines that it needs."""
        if self.strike is not None:
            yield WiredLine("strike", ("strike",), self.strike)
        for index, mover in enumerate(self.movers):
            if isinstance(mover, Line):
                yield WiredLine(
                    f"{kind_of(mover)} {mover.id}", ("movers", f"[{index}]", "line"), mover
                )
        if self.dps is not None:
            yield WiredLine("dps", ("dps",), self.dps)
        if self.rex is not None:
            yield WiredLine("rex", ("rex",), self.rex)


class Api(Section, frozen=True):
    """The local socket of hubctl."""

    socket: Annotated[Path, Meta(description="a path of at most 107 bytes")] = Path(
        "/run/hubd/hubd.sock"
    )


class Log(Section, frozen=True):
    """What is told to the journal."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description='"debug", "info", "warning" or "error"'),
    ] = "info"


class Config(Section, frozen=True):
    """The whole file, checked."""

    hub: Hub
    keys: Keys
    doors: Annotated[
        tuple[Door, ...], Meta(min_length=1, max_length=32, description="1 to 32 tables [[doors]]")
    ]
    protocol: Protocol = Protocol()
    radio: Radio = Bluez()
    backend: Backend | None = None
    api: Api = Api()
    log: Log = Log()


def load(path: Path | str, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check the file at `path`.

    Raise ConfigError, a sentence for the installer, for whatever is wrong.
    """
    file = Path(path)
    return parse(_read(file), file, environment)


def parse(text: str, file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Check the text of a configuration; `file` is for sentences and for relative paths.

    Raise ConfigError.
    """
    if text.startswith(BYTE_ORDER_MARK):
        raise ConfigError(
            f"{file}: line 1, column 1: the file begins with a byte order mark (U+FEFF), "
            "which TOML may not have; save "
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
        tagged = with_default_kinds(raw)
        config = msgspec.convert(
            tagged, Config, dec_hook=_paths(file.absolute().parent, environment)
        )
        for check in _CHECKS:
            check(config)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {explain(str(error), Config, place)}") from error
    except WrongValueError as wrong:
        key = place.key(wrong.path)
        raise ConfigError(
            f"{file}: {key}: expected {wrong.expected}, found {wrong.found}"
        ) from wrong
    return config


def _read(file: Path) -> str:
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(
                f"{file}: expected a configuration file, found a directory or another thing "
                "that is no regular file; "
                "move it away, or name yours with --config"
            )
        with open(os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as stream:
            mode = stat.S_IMODE(os.fstat(stream.fileno()).st_mode)
            if mode & stat.S_IWOTH:
                raise ConfigError(
                    f"{file}: everybody may write it (mode {mode:03o}); type: chmod o-w {file}"
                )
            data = stream.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{file}: there is no such file; copy config/hubd.toml there and edit it, or name yours"
        ) from error
    except OSError as error:
        why = f"{error.strerror}; {_unreadable(error, file)}"
        raise ConfigError(f"{file}: the configuration cannot be read: {why}") from error
    except ValueError as error:
        raise ConfigError(
            f"{str(file)!r}: the configuration cannot be read: its name holds a zero byte"
        ) from error
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(
            f"{file}: expected a configuration of at most {FILE_BYTES_MAX} bytes, found a "
            "longer file"
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            found = "UTF-16"
        raise ConfigError(
            f"{file}: line {line}: expected UTF-8, found {found}; save the file as UTF-8 in "
            "your editor"
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
    """Return msgspec's hook that makes `Path` and `KeyFile` of text; a ValueError becomes its
    ValidationError.
    """
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
        name = text.removeprefix(_CREDENTIAL)
        directory = environment.get("CREDENTIALS_DIRECTORY")
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
        expected = (
            'an IANA time zone that this machine knows, such as "Europe/Berlin" (package tzdata)'
        )
        raise WrongValueError(("hub", "time_zone"), expected, show(config.hub.time_zone)) from error


def _check_backend(config: Config) -> None:
    if config.backend is None:
        return
    config.backend.check()
    for name in config.backend.KEYS:
        if getattr(config.keys, name) is None:
            expected = "a path or credential:NAME, because [backend] is there"
            raise WrongValueError(("keys", name), expected, "nothing")


def _check_doors(config: Config) -> None:
    for index, door in enumerate(config.doors):
        _check_movers(door, ("doors", f"[{index}]"))
    if len(set(config.protocol.aead)) != len(config.protocol.aead):
        raise WrongValueError(
            ("protocol", "aead"), "each name once", show(list(config.protocol.aead))
        )


def _check_movers(door: Door, where: tuple[str, ...]) -> None:
    """A door has one strike or a list of movers, and each may be driven for a whole release."""
    if door.strike is None and not door.movers:
        raise WrongValueError((*where, "strike"), str(_A_LINE.description), "nothing")
    if door.strike is not None and door.movers:
        raise WrongValueError(
            (*where, "movers"), "strike or [[doors.movers]], one of the two", "both"
        )
    least = door.strike_seconds
    expected = f"at least strike_seconds, which is {least:g}"
    if door.strike_cap_seconds < least:
        raise WrongValueError(
            (*where, "strike_cap_seconds"), expected, f"{door.strike_cap_seconds:g}"
        )
    for index, mover in enumerate(door.moved_by):
        if mover.cap_seconds < least:
            key = (*where, "movers", f"[{index}]", "cap_seconds")
            raise WrongValueError(key, expected, f"{mover.cap_seconds:g}")


def _check_strikes(config: Config) -> None:
    """One guard holds the lines of all strikes of the hub."""
    count = 0
    for index, door in enumerate(config.doors):
        count += sum(isinstance(mover, Strike) for mover in door.moved_by)
        if count > STRIKES_MAX:
            expected = f"at most {STRIKES_MAX} strikes at all doors of the hub together"
            key = "movers" if door.movers else "strike"
            raise WrongValueError(("doors", f"[{index}]", key), expected, "more")


def _check_rates(config: Config) -> None:
    """Limits that are right one by one may shut honest phones out together."""
    protocol = config.protocol
    least = rate_min(protocol.links_max)
    if protocol.rsa_per_second < least:
        expected = (
            f"at least {least:g} for links_max = {protocol.links_max}, or strangers keep phones out"
        )
        raise WrongValueError(
            ("protocol", "rsa_per_second"), expected, f"{protocol.rsa_per_second:g}"
        )


def _check_unique(config: Config) -> None:
    """One id one door or one mover, one number one access point, one line one purpose."""
    seen: dict[object, str] = {}
    for path, mark, shown, owner in _marks(config):
        if mark in seen:
            raise WrongValueError(path, "a value used once", f"{shown}, which {seen[mark]} has too")
        seen[mark] = owner


def _marks(config: Config) -> Iterator[tuple[Sequence[str], object, str, str]]:
    """Yield (path of the key, what must be unique, how to show it, whose it is)."""
    for index, door in enumerate(config.doors):
        where = ("doors", f"[{index}]")
        owner = f"door {door.id!r}"
        yield (*where, "id"), ("door", door.id), show(door.id), "another door"
        for number, point in enumerate(door.access_points):
            path = (*where, "access_points", f"[{number}]", "number")
            yield (
                path,
                ("access point", point.number),
                str(point.number),
                f"{point.name!r} of {owner}",
            )
        for number, mover in enumerate(door.moved_by):
            listed = ("movers", f"[{number}]", "id") if door.movers else ("id",)
            yield (*where, *listed), ("mover", mover.id), show(mover.id), f"a mover of {owner}"
        for role, key, line in door.lines():
            chip = line.chip.removeprefix("/dev/")
            shown = f"line {line.line!r} of {chip}"
            yield (*where, *key), ("line", chip, line.line), shown, f"{role} of {owner}"


def _check_socket(config: Config) -> None:
    size = len(os.fsencode(config.api.socket))
    if size > SOCKET_PATH_BYTES_MAX:
        expected = f"a path of at most {SOCKET_PATH_BYTES_MAX} bytes"
        raise WrongValueError(("api", "socket"), expected, f"{size} bytes ({config.api.socket})")


_CHECKS: Sequence[Callable[[Config], None]] = (
    _check_zone,
    _check_backend,
    _check_doors,
    _check_strikes,
    _check_rates,
    _check_unique,
    _check_socket,
)
"""What the types alone cannot refuse."""
