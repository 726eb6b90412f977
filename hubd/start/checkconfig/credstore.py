"""The files that systemd hands over as keys, looked at before it does: it says of a wrong one only
"status=243".

Laws: only root can look, and nothing is changed; a sealed file is opened by systemd-creds itself,
as the unit's start opens it, and what it holds is thrown away; each sentence names the credential's
file, why it is wrong, and the command. Sources: systemd.exec(5), Credentials; systemd-creds(1);
what systemd 252 and 257 say when they refuse one.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import HardwareError
from hubd.adapters.host.keyfiles import WANTED, remedy_for_missing, seal_command
from hubd.config.file import KeyFile
from hubd.start.checkconfig.page import Finding, finding, found
from hubd.upkeep.checks import CheckId, Problem, problem

Run = Callable[[list[str]], "subprocess.CompletedProcess[str]"]

CREDENTIAL_BYTES_MAX = 1 << 20
"""systemd.exec(5): more than 1 MB of credentials is not handed over."""
PRIVATE = frozenset({"identity", "curve_secret", "beacon"})
_FOLDERS = ("etc", "run", "usr/local/lib", "usr/lib")
"""Where systemd looks for a credential store, first one first."""
_LINE = re.compile(r"LoadCredential(Encrypted)?=(.*)")


@dataclass(frozen=True, slots=True)
class Handed:
    """One credential that the unit hands over: the last line that names it counts."""

    name: str
    source: str
    """A path, or a name in a credential store."""
    sealed: bool

    @property
    def property(self) -> str:
        """The unit's line."""
        return f"LoadCredential{'Encrypted' if self.sealed else ''}={self.name}:{self.source}"


def settings(unit: str) -> Iterator[str]:
    """Yield the settings in what `systemctl cat` says of a unit, KEY=VALUE without the spaces that
    systemd skips.
    """
    for line in unit.splitlines():
        key, equals, value = line.partition("=")
        if equals and not key.lstrip().startswith(("#", ";")):
            yield f"{key.strip()}={value.strip()}"


def handed_over(unit: str) -> dict[str, Handed]:
    """Read which credentials a unit hands over from what `systemctl cat` says of it."""
    found: dict[str, Handed] = {}
    for line in settings(unit):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        name, _, source = match[2].partition(":")
        if name:
            found[name] = Handed(name, source or name, bool(match[1]))
        else:
            found.clear()  # an empty one takes back all before it
    return found


def left_over(handed: Mapping[str, Handed], root: Path) -> dict[str, KeyFile]:
    """Return what the unit would hand over because a file is there, by its name; also what no key
    asks for.

    One of these that systemd cannot open ends the start like any other.
    """
    there = [name for name in handed if name in WANTED and _find(handed[name], root) is not None]
    return {name: KeyFile(Path(name), credential=True) for name in there}


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of one key; `usable` tells whether systemd could hand it over."""

    findings: tuple[Finding, ...]
    usable: bool


def look(
    key: str, file: KeyFile, handed: Handed | None, run: Run, root: Path = Path("/"), owner: int = 0
) -> Looked:
    """Look at the file of one credential as root; `key` is its name in [keys].

    Below `root` lie /etc, /run and /usr; `owner` is the user whose files there count as root's.
    """
    about = f"key {key}"
    if handed is None:
        return _unusable(found(CheckId.KEY_NOT_IN_UNIT, about, name=file.path.name))
    file = KeyFile(file.path, credential=True, sealed=handed.sealed)
    path = _find(handed, root)
    if path is None:
        return _unusable(
            found(CheckId.KEY_MISSING, about, file=file.place, how=remedy_for_missing(key, file))
        )
    wrong = _shape(path, key) or (_sealed(key, file, path, run) if handed.sealed else None)
    if wrong is not None:
        return _unusable(finding(wrong, about))
    told = [
        *_rights(path, key in PRIVATE and not handed.sealed, owner),
        *_store_rights(path.parent, owner),
    ]
    plain = root / "etc/credstore" / f"hubd.{handed.name}"
    if handed.sealed and path != plain and plain.exists():
        told.append(problem(CheckId.KEY_PLAIN_LEFT, file=plain))
    return Looked(tuple(finding(one, about) for one in told), usable=True)


def _unusable(why: Finding) -> Looked:
    return Looked((why,), usable=False)


def _find(handed: Handed, root: Path) -> Path | None:
    """Return the file that systemd would take, None when there is none."""
    if handed.source.startswith("/"):
        path = root / handed.source.lstrip("/")
        return path if path.exists() else None
    stores = ("credstore.encrypted", "credstore") if handed.sealed else ("credstore",)
    places = (root / folder / store / handed.source for store in stores for folder in _FOLDERS)
    return next((path for path in places if path.exists()), None)


def _shape(path: Path, key: str) -> Problem | None:
    """Say why systemd could not read this at all, None when it can."""
    about = path.stat()
    wanted = WANTED[key]
    if stat.S_ISDIR(about.st_mode):
        return problem(CheckId.KEY_IS_A_FOLDER, file=path, wanted=wanted)
    if not stat.S_ISREG(about.st_mode):
        return problem(CheckId.KEY_NOT_A_FILE, file=path, wanted=wanted)
    if about.st_size > CREDENTIAL_BYTES_MAX:
        return problem(CheckId.KEY_TOO_LARGE, file=path, wanted=wanted, size=about.st_size)
    return None


def _sealed(key: str, file: KeyFile, path: Path, run: Run) -> Problem | None:
    """Say why a sealed file cannot be opened here under its name, None when it can."""
    if path.parent.name == "credstore":
        return problem(
            CheckId.KEY_NOT_SEALED, file=path, folder=path.parent, how=seal_command(file, str(path))
        )
    try:
        done = run(["systemd-creds", "decrypt", f"--name={file.path.name}", str(path), os.devnull])
    except HardwareError as error:
        return problem(CheckId.KEY_UNKNOWN, file=path, said=error)
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split())
    how = f"seal the plain key again; {seal_command(file)}, where FILE is {WANTED[key]}"
    if other := re.search(r"[Ee]mbedded credential name '([^']*)' does not match", said):
        return problem(CheckId.KEY_SEALED_FOR_ANOTHER, file=path, other=other[1], how=how)
    if "time passed" in said:
        return problem(CheckId.KEY_SEAL_ENDED, file=path, how=how)
    if _is_any(said, "Decryption failed", "local credential key", "unseal", "TPM2"):
        return problem(CheckId.KEY_SEALED_ELSEWHERE, file=path, said=said, how=how)
    if _is_any(
        said, "too short", "block size", "Unexpected", "corrupt", "Failed to read encrypted"
    ):
        return problem(CheckId.KEY_DAMAGED, file=path, said=said, how=how)
    return problem(
        CheckId.KEY_NOT_OPENED, file=path, said=said or f"status {done.returncode}", how=how
    )


def _is_any(said: str, *parts: str) -> bool:
    return any(part in said for part in parts)


def _rights(path: Path, private: bool, owner: int) -> Iterator[Problem]:
    """Yield what is wrong with owner and mode; a sealed file may be read by everybody, and by
    nobody it is useless.
    """
    about = path.stat()
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid != owner:
        yield problem(CheckId.KEY_NOT_ROOTS, file=path, user=about.st_uid)
    if mode & 0o022:
        yield problem(CheckId.KEY_WRITABLE, file=path, mode=mode)
    elif private and mode & 0o077:
        yield problem(CheckId.KEY_READABLE, file=path, mode=mode)
    elif not mode & 0o400:
        yield problem(CheckId.KEY_UNREADABLE, file=path, mode=mode)


def _store_rights(folder: Path, owner: int) -> Iterator[Problem]:
    about = folder.stat()
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid != owner or mode & 0o022:
        yield problem(CheckId.KEY_STORE_NOT_ROOTS, folder=folder, user=about.st_uid, mode=mode)
