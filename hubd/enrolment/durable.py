"""Files that are there whole or not at all, also after a power cut; keys, sealed where wanted.

Laws:
1. A file is written beside its place, flushed, renamed, and its folder is flushed.
2. `step` is called before each of these writes with its name: a test ends the program there.
3. A sealed key never touches the disk in clear.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from hubcore.errors import ConfigError

Step = Callable[[str], None]
Run = Callable[[Sequence[str], bytes], subprocess.CompletedProcess[bytes]]

SEAL_SECONDS = 60.0
FILE_BYTES_MAX = 1 << 20
_TRIAL = "trial"
_TRIED = b"can this machine seal?"
PRIVATE = 0o600
PUBLIC = 0o644


def run_program(command: Sequence[str], text: bytes) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end with this input. Raise OSError or SubprocessError."""
    return subprocess.run(
        command, input=text, capture_output=True, timeout=SEAL_SECONDS, check=False
    )


def no_step(_name: str) -> None:
    """Do nothing before a write."""


class Durable:
    """Writes, renames and removes files; each of these is on the disk on return."""

    def __init__(self, step: Step = no_step) -> None:
        self._step = step

    def write(self, path: Path, data: bytes, mode: int = PRIVATE) -> None:
        """Put a file in its place, with this mode whatever the umask. Raise OSError."""
        self._step(f"write {path.name}")
        new = path.with_name(f".{path.name}.new")
        with suppress(FileNotFoundError):
            new.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(new, flags, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        self._step(f"rename {path.name}")
        new.replace(path)
        _flush(path.parent)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file its place. Raise OSError."""
        self._step(f"rename {old.name}")
        old.replace(new)
        _flush(new.parent)

    def remove(self, path: Path) -> None:
        """Remove a file, if it is there. Raise OSError."""
        self._step(f"remove {path.name}")
        with suppress(FileNotFoundError):
            path.unlink()
        _flush(path.parent)


def read(path: Path) -> bytes | None:
    """Return a file's bytes, None when it is not there. Raise OSError, or ConfigError."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return None
    if len(data) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: it is far too large; remove it")
    return data


class Sealer:
    """Encrypts keys for this machine alone, by systemd-creds(1)."""

    def __init__(self, run: Run = run_program) -> None:
        self._run = run

    def can(self) -> bool:
        """Tell whether this machine seals, and opens what it has sealed."""
        with suppress(ConfigError):
            return self.unseal(_TRIAL, self.seal(_TRIAL, _TRIED)) == _TRIED
        return False

    def has_tpm(self) -> bool:
        """Tell whether it seals with a TPM, and not by a key on its own disk alone."""
        with suppress(OSError, subprocess.SubprocessError):
            return self._run(["systemd-creds", "has-tpm2"], b"").returncode == 0
        return False

    def seal(self, name: str, data: bytes) -> bytes:
        """Return the sealed form of the credential `name`. Raise ConfigError."""
        return self._do(["systemd-creds", "encrypt", f"--name={name}", "-", "-"], data)

    def unseal(self, name: str, data: bytes) -> bytes:
        """Return what was sealed. Raise ConfigError."""
        return self._do(["systemd-creds", "decrypt", f"--name={name}", "-", "-"], data)

    def _do(self, command: Sequence[str], data: bytes) -> bytes:
        try:
            done = self._run(command, data)
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(
                f"systemd-creds does not run ({error}); with --plain keys are not encrypted"
            ) from error
        if done.returncode != 0 or not done.stdout:
            said = done.stderr.decode(errors="replace").strip()
            raise ConfigError(
                f"systemd-creds {command[1]} failed: {said}; with --plain keys are not encrypted"
            )
        return done.stdout


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
