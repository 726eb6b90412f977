"""The files that systemd hands over as keys, looked at before it does: it says of a wrong one only "status=243".

Laws: only root can look, and nothing is changed; a sealed file is opened by systemd-creds itself, as the unit's start
opens it, and what it holds is thrown away; each sentence names the credential's file, why it is wrong, and the command.
Sources: systemd.exec(5), Credentials; systemd-creds(1); what systemd 252 and 257 say when they refuse one.
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
from hubd.start.checkconfig.page import Finding, Kind

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
    """Yield the settings in what `systemctl cat` says of a unit, KEY=VALUE without the spaces that systemd skips."""
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
    """Return what the unit would hand over because a file is there, by its name; also what no key asks for.

    One of these that systemd cannot open ends the start like any other.
    """
    there = [name for name in handed if name in WANTED and _find(handed[name], root) is not None]
    return {name: KeyFile(Path(name), credential=True) for name in there}


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of one key; `usable` tells whether systemd could hand it over."""

    findings: tuple[Finding, ...]
    usable: bool


def look(key: str, file: KeyFile, handed: Handed | None, run: Run, root: Path = Path("/"), owner: int = 0) -> Looked:
    """Look at the file of one credential as root; `key` is its name in [keys].

    Below `root` lie /etc, /run and /usr; `owner` is the user whose files there count as root's.
    """
    about = f"key {key}"
    if handed is None:
        line = f"LoadCredential={file.path.name}:hubd.{file.path.name}"
        text = f"hubd.service hands over no credential {file.path.name}; type: sudo systemctl edit hubd, add {line}"
        return _unusable(about, text)
    file = KeyFile(file.path, credential=True, sealed=handed.sealed)
    found = _find(handed, root)
    if found is None:
        return _unusable(about, f"{file.place}: there is no such file; {remedy_for_missing(key, file)}")
    wrong = _shape(found, key) or (_sealed(key, file, found, run) if handed.sealed else "")
    if wrong:
        return _unusable(about, f"{found}: {wrong}")
    texts = [*_rights(found, key in PRIVATE and not handed.sealed, owner), *_store_rights(found.parent, owner)]
    findings = [Finding(Kind.WRONG, about, text) for text in texts]
    plain = root / "etc/credstore" / f"hubd.{handed.name}"
    if handed.sealed and found != plain and plain.exists():
        text = f"{plain}: the plain key still lies beside the sealed one; type: sudo rm {plain}"
        findings.append(Finding(Kind.WARNING, about, text))
    return Looked(tuple(findings), usable=True)


def _unusable(about: str, text: str) -> Looked:
    return Looked((Finding(Kind.WRONG, about, text),), usable=False)


def _find(handed: Handed, root: Path) -> Path | None:
    """Return the file that systemd would take, None when there is none."""
    if handed.source.startswith("/"):
        path = root / handed.source.lstrip("/")
        return path if path.exists() else None
    stores = ("credstore.encrypted", "credstore") if handed.sealed else ("credstore",)
    places = (root / folder / store / handed.source for store in stores for folder in _FOLDERS)
    return next((path for path in places if path.exists()), None)


def _shape(path: Path, key: str) -> str:
    """Say why systemd could not read this at all, '' when it can."""
    about = path.stat()
    if stat.S_ISDIR(about.st_mode):
        return f"expected {WANTED[key]}, found a folder in its place; type: sudo mv {path} {path}.aside"
    if not stat.S_ISREG(about.st_mode):
        return f"expected {WANTED[key]}, found something that is no regular file; type: ls -l {path}"
    if about.st_size > CREDENTIAL_BYTES_MAX:
        return f"expected {WANTED[key]}, found {about.st_size} bytes, which systemd does not hand over"
    return ""


def _sealed(key: str, file: KeyFile, path: Path, run: Run) -> str:
    """Say why a sealed file cannot be opened here under its name, '' when it can."""
    again = f"seal the plain key again; {seal_command(file)}, where FILE is {WANTED[key]}"
    if path.parent.name == "credstore":
        return f"found plain in {path.parent}, but hubd.service takes it sealed; {seal_command(file, str(path))}"
    name = file.path.name
    try:
        done = run(["systemd-creds", "decrypt", f"--name={name}", str(path), os.devnull])
    except HardwareError as error:
        return f"whether it can be opened cannot be told: {error}"
    if done.returncode == 0:
        return ""
    said = " ".join(done.stderr.split())
    if other := re.search(r"[Ee]mbedded credential name '([^']*)' does not match", said):
        return f"it was sealed under another name, {other[1]!r}; {again}"
    if "time passed" in said:
        return f"it was sealed for a time that is over (--not-after); {again}"
    if _is_any(said, "Decryption failed", "local credential key", "unseal", "TPM2"):
        return (
            f"this machine cannot open it: it was sealed on another machine (this disk or file comes from there), its "
            f"TPM or /var/lib/systemd/credential.secret was replaced, or it is damaged; {again} (systemd-creds: {said})"
        )
    if _is_any(said, "too short", "block size", "Unexpected", "corrupt", "Failed to read encrypted"):
        return f"it is damaged, or no sealed key at all; {again} (systemd-creds: {said})"
    return f"systemd-creds cannot open it: {said or f'status {done.returncode}'}; {again}"


def _is_any(said: str, *parts: str) -> bool:
    return any(part in said for part in parts)


def _rights(path: Path, private: bool, owner: int) -> Iterator[str]:
    """Yield what is wrong with owner and mode; a sealed file may be read by everybody, and by nobody it is useless."""
    about = path.stat()
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid != owner:
        yield f"{path}: it belongs to user {about.st_uid}, who may replace it; type: sudo chown root:root {path}"
    if mode & 0o022:
        yield f"{path}: others may write it (mode {mode:03o}); type: sudo chmod 600 {path}"
    elif private and mode & 0o077:
        yield f"{path}: a private key that others may read (mode {mode:03o}); type: sudo chmod 600 {path}"
    elif not mode & 0o400:
        yield f"{path}: not even its owner may read it (mode {mode:03o}); type: sudo chmod 600 {path}"


def _store_rights(folder: Path, owner: int) -> Iterator[str]:
    about = folder.stat()
    mode = stat.S_IMODE(about.st_mode)
    if about.st_uid != owner or mode & 0o022:
        yield (
            f"{folder}: others than root may put files there (user {about.st_uid}, mode {mode:03o}); "
            f"type: sudo chown root:root {folder} && sudo chmod 700 {folder}"
        )
