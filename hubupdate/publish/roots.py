"""Roots: who may sign what, said by two of three persons.

Laws:
1. A root has three root keys at least, and two of them sign it. Every other role has threshold 1.
2. A key serves one role of one repository.
3. A root is drafted from public keys alone. Each person signs the draft where the private key lies.
4. The next root keeps the keys of every role that is not named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from securesystemslib.signer import Key, Signer
from tuf.api.metadata import Metadata, Root

from hubcore.errors import ConfigError
from hubterm.files import whole_file
from hubupdate.publish.lists import DAYS, Lists, read_root

ROLES = ("root", "targets", "snapshot", "timestamp")
ROOT_KEYS_MIN = 3
ROOT_THRESHOLD = 2
Keys = Mapping[str, Sequence[Key]]
"""The keys of each role; a role that is not there keeps those that it has."""


def draft_root(lists: Lists, keys: Keys, others: Lists) -> Metadata[Root]:
    """Return the next root, unsigned; `others` is the other repository. Raise ConfigError."""
    roots = lists.roots()
    root = roots[-1].signed if roots else Root(consistent_snapshot=True)
    if roots:
        root.version += 1
    root.expires = lists.now + timedelta(days=DAYS["root"])
    for role in ROLES:
        if new := keys.get(role):
            _replace(root, role, new)
    root.roles["root"].threshold = ROOT_THRESHOLD
    _check_keys(root, others.roots()[-1].signed if others.roots() else None)
    return Metadata(root)


def sign_draft(draft: Path, signer: Signer) -> Metadata[Root]:
    """Add one person's signature to a draft, which is written anew."""
    root = read_root(draft)
    root.sign(signer, append=True)
    write_draft(draft, root)
    return root


def write_draft(path: Path, root: Metadata[Root]) -> None:
    """Write a draft. Raise ConfigError."""
    try:
        with whole_file(path) as file:
            file.write(root.to_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def accept_root(lists: Lists, draft: Path) -> Path:
    """Publish a draft that enough persons have signed. Raise SignatureError, ConfigError."""
    return lists.put_root(read_root(draft))


def _replace(root: Root, role: str, keys: Sequence[Key]) -> None:
    for keyid in list(root.roles[role].keyids):
        root.revoke_key(keyid, role)
    for key in keys:
        root.add_key(key, role)


def _check_keys(root: Root, other: Root | None) -> None:
    """Raise ConfigError for too few keys, or one that serves twice."""
    for role in ROLES:
        least = ROOT_KEYS_MIN if role == "root" else 1
        has = len(root.roles[role].keyids)
        if has < least:
            raise ConfigError(f"the role {role} needs {least} keys or more, and has {has}")
    serving = [keyid for role in ROLES for keyid in root.roles[role].keyids]
    twice = {keyid for keyid in serving if serving.count(keyid) > 1}
    twice |= set(serving) & set(other.keys if other is not None else ())
    if twice:
        raise ConfigError(f"a key serves two roles: {sorted(twice)[0][:16]}…")
