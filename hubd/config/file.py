"""The configuration: one TOML file becomes one frozen, typed `Config`, checked before the start.

Laws:
1. A key that is unknown, missing, of the wrong type or out of range refuses the start.
2. So does a file that everybody may write.
3. A sentence names the file, the key, what was expected and what was found.
4. A value that passed is not checked again anywhere.
5. The file holds no secrets, so a sentence may show what was found.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from hubcore.errors import ConfigError
from hubd.config.backend import Backend
from hubd.config.bridges import BRIDGES_MAX, Bridge, check_bridges
from hubd.config.devices import (
    BOARDS_MAX,
    DEVICES_MAX,
    Device,
    OpenZwave,
    RelayBoard,
    Zwave,
    check_devices,
)
from hubd.config.doors import Door, check_doors
from hubd.config.hub import Api, Hub, Log, Protocol
from hubd.config.keys import Keys, PathReader
from hubd.config.mistakes.explain import explain
from hubd.config.mistakes.place import ConfigPlace
from hubd.config.mistakes.sentences import WrongValueError, toml_trouble
from hubd.config.movers import DoorLock, ZwaveLock
from hubd.config.radio import Bluez, Pkoc, Radio, check_pkoc, check_shown_name
from hubd.config.readers import READERS_MAX, Reader, check_readers
from hubd.config.section import Section, with_default_kinds
from hubd.config.serial import SerialLine, check_lines, serial_lines

FILE_BYTES_MAX = 1 << 20
BYTE_ORDER_MARK = "\ufeff"


class Config(Section, frozen=True):
    """The whole file, checked."""

    hub: Hub
    keys: Keys
    doors: Annotated[
        tuple[Door, ...],
        Meta(min_length=1, max_length=32, description="1 to 32 tables [[doors]]"),
    ]
    protocol: Protocol = Protocol()
    readers: Annotated[
        tuple[Reader, ...],
        Meta(max_length=READERS_MAX, description=f"at most {READERS_MAX} tables [[readers]]"),
    ] = ()
    radio: Radio = Bluez()
    pkoc: Pkoc | None = None
    backend: Backend | None = None
    bridges: Annotated[
        tuple[Bridge, ...],
        Meta(max_length=BRIDGES_MAX, description=f"at most {BRIDGES_MAX} tables [[bridges]]"),
    ] = ()
    devices: Annotated[
        tuple[Device, ...],
        Meta(max_length=DEVICES_MAX, description=f"at most {DEVICES_MAX} tables [[devices]]"),
    ] = ()
    relay_boards: Annotated[
        tuple[RelayBoard, ...],
        Meta(max_length=BOARDS_MAX, description=f"at most {BOARDS_MAX} tables [[relay_boards]]"),
    ] = ()
    zwave: Zwave | None = None
    openzwave: OpenZwave | None = None
    api: Api = Api()
    log: Log = Log()

    def doors_of_points(self) -> dict[int, str]:
        """The door of each access point."""
        return {point.number: door.id for door in self.doors for point in door.access_points}

    @property
    def door_locks(self) -> list[tuple[Door, DoorLock]]:
        """The locks that move doors, each with its door."""
        found: list[tuple[Door, DoorLock]] = []
        for door in self.doors:
            found += [(door, mover) for mover in door.moved_by if isinstance(mover, DoorLock)]
        return found

    def check(self) -> None:
        """Check what the types alone cannot refuse. Raise WrongValueError."""
        self.hub.check()
        self.keys.check()
        if self.backend is not None:
            self.backend.check()
            for name in self.backend.KEYS:
                self.keys.check_has(name, "[backend]")
        check_bridges(self.bridges)
        if self.bridges:
            for name in ("tls_key", "tls_certificate", "tls_authority"):
                self.keys.check_has(name, "[[bridges]]")
        check_doors(self.doors)
        self._check_offline_hours()
        check_devices(self.devices, self.relay_boards, self.zwave, self.doors, self.openzwave)
        self._check_readers()
        check_lines(self.serial_lines())
        self.protocol.check()
        check_shown_name(self.radio, self.protocol.aead)
        self.api.check()

    def _check_offline_hours(self) -> None:
        """A hub that is to have no backend has been without one for ever."""
        if self.backend is not None:
            return
        for index, door in enumerate(self.doors):
            if door.offline_hours_max is not None:
                key = ("doors", f"[{index}]", "offline_hours_max")
                expected = "a [backend] in this file, or nobody would ever be let in"
                raise WrongValueError(key, expected, "none")

    def serial_lines(self) -> Iterator[SerialLine]:
        """Yield every serial line that anything of the configuration uses."""
        has_lock = any(isinstance(lock, ZwaveLock) for _, lock in self.door_locks)
        zwave = self.zwave or (Zwave() if has_lock else None)
        return serial_lines(self.relay_boards, zwave, self.openzwave, self.readers)

    def _check_readers(self) -> None:
        points = {point.number for door in self.doors for point in door.access_points}
        check_readers(self.readers, points)
        for reader in self.readers:
            for name in reader.KEYS:
                self.keys.check_has(name, "[[readers]]")
        if self.pkoc is not None:
            check_pkoc(
                self.pkoc,
                self.keys,
                points,
                [reader.id for reader in self.readers],
                self.protocol.links_max,
            )


def load(path: Path | str, environment: Mapping[str, str] = os.environ) -> Config:
    """Read and check the file at `path`.

    Raise ConfigError, a sentence for the installer, for whatever is wrong.
    """
    file = Path(path)
    return parse(_decoded(_read(file), file), file, environment)


def written(path: Path) -> dict[str, Any]:
    """Return what stands in the file, without defaults and not checked. Raise ConfigError."""
    return _toml(_decoded(_read(path), path), path)


def parse(text: str, file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Check the text of a configuration; `file` is for sentences and for relative paths.

    Raise ConfigError.
    """
    raw = _toml(text, file)
    place = ConfigPlace(raw, text)
    paths = PathReader(file.absolute().parent, environment)
    try:
        config = msgspec.convert(with_default_kinds(raw), Config, dec_hook=paths)
        config.check()
    except msgspec.ValidationError as error:
        raise ConfigError(f"{file}: {explain(str(error), Config, place)}") from error
    except WrongValueError as wrong:
        key = place.key(wrong.path)
        sentence = f"{file}: {key}: expected {wrong.expected}, found {wrong.found}"
        raise ConfigError(sentence) from wrong
    return config


def _toml(text: str, file: Path) -> dict[str, Any]:
    """Read the text as TOML. Raise ConfigError."""
    if text.startswith(BYTE_ORDER_MARK):
        raise ConfigError(
            f"{file}: line 1, column 1: the file begins with a byte order mark (U+FEFF), "
            "which TOML may not have; save it as UTF-8 without one, "
            f"or type: sed -i '1s/^\\xEF\\xBB\\xBF//' {file}"
        )
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{file}: this is no TOML: {toml_trouble(str(error), text)}") from error
    except RecursionError as error:
        raise ConfigError(f"{file}: this is no TOML for hubd: nested too deep") from error


def _read(file: Path) -> bytes:
    """Return what the file holds. Raise ConfigError."""
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(
                f"{file}: expected a configuration file, "
                "found a directory or another thing that is no regular file; "
                "move it away, or name yours with --config"
            )
        data = _read_guarded(file)
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
            f"{file}: expected a configuration of at most {FILE_BYTES_MAX} bytes, "
            "found a longer file"
        )
    return data


def _read_guarded(file: Path) -> bytes:
    """Read up to one byte too many. Raise OSError, ConfigError when everybody may write it."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with open(descriptor, "rb") as stream:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & stat.S_IWOTH:
            raise ConfigError(
                f"{file}: everybody may write it (mode {mode:03o}); type: chmod o-w {file}"
            )
        return stream.read(FILE_BYTES_MAX + 1)


def _unreadable(error: OSError, file: Path) -> str:
    """Say what to do about a file that is there and cannot be read."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"type: sudo chmod a+r {file} && sudo chmod a+x {file.absolute().parent}"
        case errno.ELOOP:
            return f"it is a link that leads to itself; type: ls -l {file}"
        case errno.EIO:
            return "the disk does not give it; look at dmesg"
    return f"type: ls -l {file}"


def _decoded(data: bytes, file: Path) -> str:
    """Return the text of the file. Raise ConfigError when it is no UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02x}"
        if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            found = "UTF-16"
        raise ConfigError(
            f"{file}: line {line}: expected UTF-8, found {found}; "
            "save the file as UTF-8 in your editor"
        ) from error
