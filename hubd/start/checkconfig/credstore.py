"""The files that systemd hands over as keys, looked at before: systemd only says "status=243".

Laws:
1. Only root can look, and nothing is changed.
2. systemd-creds itself opens a sealed file, as the unit's start does; what it holds is thrown away.
3. Of a public key, such as the backend's, the copy that a running hubd was handed is compared, too:
   a file that was changed since counts from the next start on. No private key is read.
4. Each sentence names the credential's file, why it is wrong, and the command that helps.

Sources: systemd.exec(5), Credentials; systemd-creds(1); what systemd 252 and 257 say when they
refuse one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hubcore.checks import CheckId, Problem, problem
from hubcore.errors import HardwareError
from hubd.adapters.keys.keyfiles import WANTED, remedy_for_missing, seal_command, wanted
from hubd.config.keys import KeyFile
from hubd.wiring.look.finding import Finding, finding, found
from hubd.wiring.look.world import RunCommand, World

CREDENTIAL_BYTES_MAX = 1 << 20
"""systemd.exec(5): more than 1 MB of credentials is not handed over."""
PUBLIC = frozenset(
    {
        "certificate",
        "issuer",
        "backend_public",
        "tls_certificate",
        "tls_authority",
        "pkoc_certificate",
    }
)
"""Keys that others may read. Any other key is private, a reader's too."""
RUNNING = "run/credentials/hubd.service"
"""Where the copies are while hubd runs, for root and hubd."""
_FOLDERS = ("etc", "run", "usr/local/lib", "usr/lib")
"""Where systemd looks for a credential store, first one first."""
_LINE = re.compile(r"LoadCredential(Encrypted)?=(.*)")
_OTHER_NAME = re.compile(r"[Ee]mbedded credential name '([^']*)' does not match")
_SEALED_WRONG = (
    (CheckId.KEY_SEAL_ENDED, ("time passed",)),
    (
        CheckId.KEY_SEALED_ELSEWHERE,
        ("Decryption failed", "local credential key", "unseal", "TPM2"),
    ),
    (
        CheckId.KEY_DAMAGED,
        ("too short", "block size", "Unexpected", "corrupt", "Failed to read encrypted"),
    ),
)
"""What systemd-creds says of a sealed file that it cannot open, in the order of asking."""


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
        setting = "LoadCredentialEncrypted" if self.sealed else "LoadCredential"
        return f"{setting}={self.name}:{self.source}"


def settings(unit: str) -> Iterator[str]:
    """Yield the settings of a unit, KEY=VALUE without the spaces that systemd skips.

    `unit` is what `systemctl cat` prints.
    """
    for line in unit.splitlines():
        key, equals, value = line.partition("=")
        is_comment = key.lstrip().startswith(("#", ";"))
        if equals and not is_comment:
            yield f"{key.strip()}={value.strip()}"


def handed_over(unit: str) -> dict[str, Handed]:
    """Return which credentials a unit hands over; `unit` is what `systemctl cat` prints."""
    credentials: dict[str, Handed] = {}
    for line in settings(unit):
        match = _LINE.fullmatch(line)
        if match is None:
            continue
        sealed = bool(match[1])
        name, _, source = match[2].partition(":")
        if name:
            credentials[name] = Handed(name, source or name, sealed)
        else:
            credentials.clear()  # an empty setting takes back all before it
    return credentials


def left_over(handed: Mapping[str, Handed], root: Path) -> dict[str, KeyFile]:
    """Return what the unit hands over because a file is there, by name, even if no key asks for it.

    One of these that systemd cannot open ends the start like any other.
    """
    files: dict[str, KeyFile] = {}
    for name, credential in handed.items():
        if name not in WANTED:
            continue
        if _find(credential, root) is not None:
            files[name] = KeyFile(Path(name), credential=True)
    return files


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of one key; `usable` tells whether systemd could hand it over.

    `there` tells whether there is a file at all, right or wrong.
    """

    findings: tuple[Finding, ...]
    usable: bool
    there: bool = True


def look(key: str, file: KeyFile, handed: Handed | None, world: World) -> Looked:
    """Look at the file of one credential as root; `key` is its name in [keys]."""
    about = f"key {key}" if key in WANTED else key
    if handed is None:
        return _unusable(found(CheckId.KEY_NOT_IN_UNIT, about, name=file.path.name))
    file = KeyFile(file.path, credential=True, sealed=handed.sealed)
    path = _find(handed, world.root)
    if path is None:
        how = remedy_for_missing(key, file)
        missing = found(CheckId.KEY_MISSING, about, file=file.place, how=how)
        return Looked((missing,), usable=False, there=False)
    wrong = _no_key_file(path, key)
    if wrong is None and handed.sealed:
        wrong = _sealed_wrong(key, file, path, world.run)
    if wrong is not None:
        return _unusable(finding(wrong, about))
    private = key not in PUBLIC and not handed.sealed
    problems = [
        *_rights(path, private, world.owner),
        *_store_rights(path.parent, world.owner),
    ]
    if (
        key in PUBLIC
        and not handed.sealed
        and _other_runs(path, world.root / RUNNING / handed.name)
    ):
        problems.append(problem(CheckId.KEY_OTHER_RUNS, file=path))
    plain = world.root / "etc/credstore" / f"hubd.{handed.name}"
    if handed.sealed and path != plain and plain.exists():
        problems.append(problem(CheckId.KEY_PLAIN_LEFT, file=plain))
    return Looked(tuple(finding(one, about) for one in problems), usable=True)


def _unusable(why: Finding) -> Looked:
    return Looked((why,), usable=False)


def _find(handed: Handed, root: Path) -> Path | None:
    """Return the file that systemd would take, None when there is none."""
    if handed.source.startswith("/"):
        path = root / handed.source.lstrip("/")
        return path if path.exists() else None
    stores = ["credstore"]
    if handed.sealed:
        stores.insert(0, "credstore.encrypted")
    for store in stores:
        for folder in _FOLDERS:
            path = root / folder / store / handed.source
            if path.exists():
                return path
    return None


def _no_key_file(path: Path, key: str) -> Problem | None:
    """Say why systemd could not read this at all, None when it can."""
    about = path.stat()
    what = wanted(key)
    if stat.S_ISDIR(about.st_mode):
        return problem(CheckId.KEY_IS_A_FOLDER, file=path, wanted=what)
    if not stat.S_ISREG(about.st_mode):
        return problem(CheckId.KEY_NOT_A_FILE, file=path, wanted=what)
    if about.st_size > CREDENTIAL_BYTES_MAX:
        return problem(CheckId.KEY_TOO_LARGE, file=path, wanted=what, size=about.st_size)
    return None


def _other_runs(path: Path, copy: Path) -> bool:
    """Tell whether a running hubd was handed other bytes; False when that cannot be seen."""
    try:
        with copy.open("rb") as running, path.open("rb") as file:
            return running.read(CREDENTIAL_BYTES_MAX) != file.read(CREDENTIAL_BYTES_MAX)
    except OSError:
        return False


def _sealed_wrong(key: str, file: KeyFile, path: Path, run: RunCommand) -> Problem | None:
    """Say why a sealed file cannot be opened here under its name, None when it can."""
    if path.parent.name == "credstore":
        how = seal_command(file, str(path))
        return problem(CheckId.KEY_NOT_SEALED, file=path, folder=path.parent, how=how)
    name = file.path.name
    try:
        done = run(["systemd-creds", "decrypt", f"--name={name}", str(path), os.devnull])
    except HardwareError as error:
        return problem(CheckId.KEY_UNKNOWN, file=path, said=error)
    if done.returncode == 0:
        return None
    said = " ".join(done.stderr.split())
    how = f"seal the plain key again; {seal_command(file)}, where FILE is {wanted(key)}"
    other = _OTHER_NAME.search(said)
    if other is not None:
        check = CheckId.KEY_SEALED_FOR_ANOTHER
        return problem(check, file=path, other=other[1], how=how)
    said = said or f"status {done.returncode}"
    return problem(_why_not_opened(said), file=path, said=said, how=how)


def _why_not_opened(said: str) -> CheckId:
    """Return the check for what systemd-creds says of a file under its own name."""
    for check, parts in _SEALED_WRONG:
        if any(part in said for part in parts):
            return check
    return CheckId.KEY_NOT_OPENED


def _rights(path: Path, private: bool, owner: int) -> Iterator[Problem]:
    """Yield what is wrong with owner and mode; only a `private` file must be hidden from others."""
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
    user = about.st_uid
    mode = stat.S_IMODE(about.st_mode)
    if user != owner or mode & 0o022:
        yield problem(CheckId.KEY_STORE_NOT_ROOTS, folder=folder, user=user, mode=mode)
