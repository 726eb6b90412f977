"""Keys that were read before they are needed, and count if their files are as they were.

Laws:
1. A file is as it was if it is the same file with the same size, rights, owner and times of change.
   Its time of change (ctime) is the kernel's: who writes a file cannot set that back.
2. They are given out once: a certificate in force changes while a hub runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import structs

from hubd.adapters.keys.keyfiles import HubKeys, load_keys
from hubd.adapters.keys.renewed import RENEWED, RENEWED_TLS
from hubd.config.file import Config
from hubd.config.keys import KeyFile

_State = tuple[int, ...]


class ReadKeys:
    """The keys of a configuration, read now. Raise ConfigError."""

    def __init__(self, config: Config) -> None:
        self._files = tuple(_files(config))
        self._states = self._look()
        self._keys: HubKeys | None = load_keys(config)

    def take(self) -> HubKeys | None:
        """Return them; None when a file has changed, or they were given out."""
        keys = self._keys
        self._keys = None
        return keys if self._look() == self._states else None

    def _look(self) -> list[_State | None]:
        return [_state(path) for path in self._files]


def _files(config: Config) -> Iterator[Path]:
    """Yield every file that `load_keys` reads, or would read if it were there."""
    for file in structs.astuple(config.keys):
        if isinstance(file, KeyFile):
            yield file.path
    for reader in config.readers:
        for _, file in reader.key_files().values():
            yield file.path
    yield config.hub.state_directory / RENEWED
    yield config.hub.state_directory / RENEWED_TLS


def _state(path: Path) -> _State | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (
        found.st_dev,
        found.st_ino,
        found.st_size,
        found.st_mode,
        found.st_uid,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )
