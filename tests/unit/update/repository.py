"""A real TUF repository in a folder, signed here: what its owner does, and what a thief may do.

`publish` writes what the roles say now. Versions, dates and keys are fields, so that a test makes
any list that the keys in its hands allow.
"""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from hubcore.update.image import Image
from hubcore.update.plan import Plan, write_plan
from hubupdate.trust import Repository, plan_name, target_path

Listed = TypeVar("Listed", Root, Timestamp, Snapshot, Targets)
ROLES = ("root", "timestamp", "snapshot", "targets")
DAYS = {"root": 365, "timestamp": 7, "snapshot": 30, "targets": 90}
ROOT_KEYS = 3
ROOT_THRESHOLD = 2


def new_keys(count: int) -> list[Signer]:
    return [CryptoSigner.generate_ed25519() for _ in range(count)]


class TufRepository:
    """One of the two repositories, below `carrier`."""

    def __init__(self, carrier: Path, which: Repository, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)
        self.which = which
        self.top = carrier / which
        self.metadata = self.top / "metadata"
        self.metadata.mkdir(parents=True)
        (self.top / "targets").mkdir()
        self.keys: dict[str, list[Signer]] = {
            role: new_keys(ROOT_KEYS if role == "root" else 1) for role in ROLES
        }
        self.root = Root(expires=self.ends("root"), consistent_snapshot=True)
        self.targets = Targets(expires=self.ends("targets"))
        self.snapshot = Snapshot(expires=self.ends("snapshot"))
        self.timestamp = Timestamp(expires=self.ends("timestamp"))
        self._set_keys()
        self.first_root = self.write_root()
        self.publish()

    def ends(self, role: str) -> datetime:
        return (self.now + timedelta(days=DAYS[role])).replace(microsecond=0)

    def _set_keys(self) -> None:
        for role in ROLES:
            for keyid in list(self.root.roles[role].keyids):
                self.root.revoke_key(keyid, role)
            for signer in self.keys[role]:
                self.root.add_key(signer.public_key, role)
        self.root.roles["root"].threshold = ROOT_THRESHOLD

    def write(self, signed: Listed, signers: list[Signer]) -> bytes:
        """Sign and write a list under its name; return its bytes."""
        metadata = Metadata(copy.deepcopy(signed))
        for signer in signers:
            metadata.sign(signer, append=True)
        data = metadata.to_bytes()
        name = f"{signed.type}.json"
        if not isinstance(signed, Timestamp):
            name = f"{signed.version}.{name}"
        (self.metadata / name).write_bytes(data)
        return data

    def write_root(self, *others: Signer) -> bytes:
        return self.write(self.root, [*self.keys["root"], *others])

    def publish(self) -> None:
        """Write targets, snapshot and timestamp as they stand now."""
        self.snapshot.meta["targets.json"] = MetaFile(version=self.targets.version)
        self.timestamp.snapshot_meta = MetaFile(version=self.snapshot.version)
        self.write(self.targets, self.keys["targets"])
        self.write(self.snapshot, self.keys["snapshot"])
        self.write(self.timestamp, self.keys["timestamp"])

    def next(self) -> None:
        """Count every list but the root up, for times from now on."""
        self.targets.version += 1
        self.snapshot.version += 1
        self.timestamp.version += 1
        self.targets.expires = self.ends("targets")
        self.snapshot.expires = self.ends("snapshot")
        self.timestamp.expires = self.ends("timestamp")

    def rotate(self, *roles: str) -> None:
        """Give these roles new keys by a new root, signed by the old and the new root keys."""
        old = self.keys["root"]
        for role in roles:
            self.keys[role] = new_keys(len(self.keys[role]))
        self._set_keys()
        self.root.version += 1
        self.root.expires = self.ends("root")
        self.write_root(*old)

    def put(self, name: str, data: bytes) -> bytes:
        """List a target and lay its bytes beside; return its digest."""
        digest = hashlib.sha256(data).digest()
        self.targets.targets[name] = TargetFile.from_data(name, data, ["sha256"])
        self.file_of(digest, name).write_bytes(data)
        return digest

    def file_of(self, digest: bytes, name: str) -> Path:
        return self.top.parent / target_path(self.which, digest, name)

    def publish_image(self, name: str, version: str, data: bytes) -> Image:
        digest = self.put(name, data)
        self.next()
        self.publish()
        return Image(name, version, digest, len(data))

    def publish_plan(self, channel: str, plan: Plan) -> None:
        self.put(plan_name(channel), write_plan(plan))
        self.next()
        self.publish()
