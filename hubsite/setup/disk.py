"""Files of a machine that is set up: made where they are missing, kept where they are there.

Laws:
1. A file that is there is never written over and never changed, whatever is in it. `change` alone
   does so, for what a person has asked for by name, and for rights that a new version needs: from
   the text that was read, or not at all.
2. A file is there whole or not at all, with its owner and its rights, and on the disk.
3. What is made goes into folders that are there, or are made for root alone to write.
4. A link in the place of a file is neither followed nor replaced: the server's user may write to
   its own folder, and root reads there. Only a certificate, which is public, may be a link.
5. What a run that was killed has left half done goes at the next: it may be one file with a key.
6. A secret that is there and that others may use is refused. Programs see copies by systemd, which
   are for them alone, so they cannot tell.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from hubcore.errors import ConfigError, StoreError
from hubterm.files import read_ordinary

SECRET = 0o600
PUBLIC = 0o644
FILE_BYTES_MAX = 1 << 20
_FOLDER_MODES = {SECRET: 0o700, PUBLIC: 0o755}


@dataclass(frozen=True, slots=True)
class Owner:
    """A user of the machine, by its numbers."""

    user: int
    group: int


@dataclass(frozen=True)
class Disk:
    """The machine's files below `root`; in an image nothing has another owner than its maker."""

    root: Path
    made: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def is_image(self) -> bool:
        """Whether it is no machine that runs."""
        return self.root != Path("/")

    def at(self, place: str) -> Path:
        """Return where a file is that the machine calls `place`."""
        return self.root / place.lstrip("/")

    def read(self, place: str, follows: bool = False) -> bytes | None:
        """Read a file, None where there is none (law 4). Raise ConfigError."""
        path = self.at(place)
        try:
            return read_ordinary(path, FILE_BYTES_MAX, follows)
        except FileNotFoundError:
            return None
        except OSError as error:
            why = "it is a link" if error.errno == errno.ELOOP else error.strerror
            raise ConfigError(f"{path}: {why}") from error

    def keep(
        self, place: str, make: Callable[[], bytes], mode: int = PUBLIC, user: str = ""
    ) -> bytes:
        """Return what is there; where nothing is, make it first (laws 1 and 2).

        `user` owns it, "" for root. Raise ConfigError, StoreError.
        """
        there = self.read_secret(place) if mode == SECRET else self.read(place)
        if there is not None:
            return there
        data = make()
        self._write(self.at(place), data, mode, self.owner(user))
        self.made.append(place)
        return data

    def read_secret(self, place: str) -> bytes | None:
        """Read a file that is for its owner alone, None where there is none (law 6).

        Raise ConfigError.
        """
        data = self.read(place)
        path = self.at(place)
        if data is not None and stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO:
            raise ConfigError(f"{path}: it is a secret, and others may use it: chmod o= {path}")
        return data

    def change(self, place: str, before: bytes, after: bytes) -> None:
        """Put another text in the place of one, with its owner and rights (laws 1 and 2).

        Raise ConfigError, StoreError.
        """
        path = self.at(place)
        if self.read(place) != before:
            raise StoreError(f"{path} was changed by somebody else meanwhile")
        try:
            found = path.stat()
            owner = Owner(found.st_uid, found.st_gid)
            self._write(path, after, stat.S_IMODE(found.st_mode), owner, is_new=False)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        if place not in self.changed:
            self.changed.append(place)

    def owner(self, user: str) -> Owner | None:
        """Return the numbers of a user, None for whoever runs this. Raise ConfigError."""
        if not user or self.is_image:
            return None
        try:
            entry = pwd.getpwnam(user)
        except KeyError as error:
            raise ConfigError(f"there is no user {user}: make install-site makes it") from error
        return Owner(entry.pw_uid, entry.pw_gid)

    def clear(self, places: Iterable[str]) -> None:
        """Take away what was left of making these files (law 5). Raise StoreError."""
        for place in places:
            path = self.at(place)
            for left in path.parent.glob(f".{path.name}.[0-9]*.unfinished"):
                try:
                    left.unlink(missing_ok=True)
                except OSError as error:
                    raise StoreError(f"{left}: {error.strerror}: take it away") from error

    def hand_over(self, place: str, user: str) -> None:
        """Give a secret that somebody has put there to its user. Raise ConfigError, StoreError."""
        owner = self.owner(user)
        if owner is None:
            return
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self.at(place), flags)
            try:
                found = os.fstat(descriptor)
                if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                    raise OSError(errno.EINVAL, "it is no ordinary file of its own")
                os.fchown(descriptor, owner.user, owner.group)
                os.fchmod(descriptor, SECRET)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ConfigError(f"{self.at(place)}: {error.strerror}") from error

    def _write(
        self, path: Path, data: bytes, mode: int, owner: Owner | None, is_new: bool = True
    ) -> None:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            if is_new:
                path.parent.mkdir(parents=True, exist_ok=True, mode=_FOLDER_MODES[mode])
            with os.fdopen(os.open(unfinished, flags, SECRET), "wb") as file:
                file.write(data)
                file.flush()
                if owner is not None:
                    os.fchown(file.fileno(), owner.user, owner.group)
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            if is_new:
                os.link(unfinished, path)  # refused where something came there meanwhile
            else:
                unfinished.replace(path)
            _sync(path.parent)
        except OSError as error:
            raise StoreError(f"{path}: {error.strerror}") from error
        finally:
            with contextlib.suppress(FileNotFoundError):
                unfinished.unlink()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
