"""Tells which keys the hub has: what each is for, where it lies, until when, and who changes it.

Laws:
1. No private or secret byte is in it, and nothing that is made of a secret: a symmetric key has no
   id and no fingerprint.
2. A place is the installer's own file (`KeyFile.place`), with its mode as far as hubd can see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hubcore.codec import cbor, cose
from hubcore.codec.cose import ES256, SigningKey, VerifyKey
from hubcore.phone.epochs import ANNOUNCED_SECONDS, Epoch, EpochRing
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.keys.pairs import FOLDER
from hubd.backend.rotation import KeyRotation
from hubd.config.file import Config
from hubd.config.keys import KeyFile

Document = Mapping[str, Any]
DAY_SECONDS = 86_400
_NAMES = {ES256: "ES256"}
_SECRETS = {"beacon": "HMAC-SHA-256", "card_key": "HMAC-SHA-256"}
"""Keys of [keys] that site and hub share, and what they are used with."""


class KeyReport:
    """`mode` returns the mode of a file, None where it cannot be seen."""

    def __init__(
        self,
        config: Config,
        keys: HubKeys,
        ring: EpochRing,
        rotation: KeyRotation | None,
        mode: Callable[[Path], int | None],
    ) -> None:
        self._config = config
        self._keys = keys
        self._ring = ring
        self._rotation = rotation
        self._mode = mode

    def document(self) -> Document:
        """Return all of them."""
        return {"keys": [*self._own(), *self._of_others()]}

    def id_of(self, role: str) -> str | None:
        """Return the id of the key of a role that is in use; None: there is none."""
        for key in self._own():
            if key["role"] == role and key["in_use"]:
                found: str | None = key["id"]
                return found
        return None

    def _own(self) -> Iterator[Document]:
        certified = self._keys.in_force.certified
        identity = SigningKey(self._keys.identity)
        yield _key(
            "identity",
            _public(identity.verify_key),
            since=certified.not_before,
            ends=certified.expires,
            changed_by="enrolment",
            **self._lies(self._config.keys.identity),
        )
        for epoch in reversed(self._ring.live):
            yield self._epoch(epoch)
        if self._rotation is not None:
            yield self._uplink(self._rotation)
        yield from self._tls()

    def _epoch(self, epoch: Epoch) -> Document:
        is_current = epoch is self._ring.current
        bits = epoch.key.key_size
        public = cbor.encode(cose.write_encryption_key(epoch.key.public_key()))
        return _key(
            "epoch",
            {
                "algorithm": f"RSAES-OAEP-SHA256, RSA-{bits}",
                "id": epoch.kid.hex(),
                "public": public.hex(),
            },
            since=epoch.began,
            ends=epoch.expires,
            next=epoch.began + ANNOUNCED_SECONDS if is_current else None,
            in_use=is_current,
            changed_by="hub",
            kept="memory",
        )

    def _uplink(self, rotation: KeyRotation) -> Document:
        known = rotation.known
        backend = self._config.backend
        days = getattr(backend, "key_days", 0)
        lies: Document = {"where": str(self._config.hub.state_directory / FOLDER), "kept": "sealed"}
        configured = self._config.keys.curve_secret
        if known.before is None and configured is not None:
            lies = self._lies(configured)
        return _key(
            "uplink",
            {"algorithm": "Curve25519 (CurveZMQ)", "id": known.shown, "public": known.shown},
            since=known.since or None,
            next=known.since + DAY_SECONDS * days if days and known.since else None,
            changed_by="hub",
            waits_for=rotation.waits.value,
            trouble=known.trouble or rotation.trouble or None,
            **lies,
        )

    def _tls(self) -> Iterator[Document]:
        tls = self._keys.tls
        files = self._config.keys.tls_files
        if tls is None or files is None:
            return
        yield _key(
            "tls",
            {"algorithm": "ECDSA P-256", "id": None, "public": tls.certified.key.hex()},
            since=tls.certified.not_before,
            ends=tls.certified.expires,
            changed_by="enrolment",
            **self._lies(files[0]),
        )

    def _of_others(self) -> Iterator[Document]:
        """Yield the keys that site and hub share, and whom the hub believes."""
        keys = self._config.keys
        for name, algorithm in _SECRETS.items():
            file = getattr(keys, name)
            if file is not None:
                yield _key(name, _secret(algorithm), changed_by="site", **self._lies(file))
        for reader in self._config.readers:
            file = getattr(reader, "key", None)
            if isinstance(file, KeyFile):
                yield _key(
                    f"reader {reader.id}",
                    _secret("AES-128 (OSDP secure channel)"),
                    changed_by="site",
                    **self._lies(file),
                )
        yield _key(
            "issuer",
            _public(self._keys.issuer_key),
            is_own=False,
            changed_by="site",
            **self._lies(keys.issuer),
        )
        if keys.backend_public is not None:
            yield _key(
                "backend",
                {"algorithm": "Curve25519 (CurveZMQ)", "id": None, "public": None},
                is_own=False,
                changed_by="site",
                **self._lies(keys.backend_public),
            )

    def _lies(self, file: KeyFile) -> Document:
        """Return where a key lies, and how."""
        kept = "file"
        if file.credential:
            kept = "sealed" if file.sealed else "credential"
        mode = self._mode(Path(file.place))
        return {
            "where": file.place,
            "kept": kept,
            "mode": None if mode is None else f"{mode:04o}",
        }


def _public(key: VerifyKey) -> Document:
    """Return what a signature key is."""
    return {
        "algorithm": _NAMES.get(key.alg, "PS256"),
        "id": key.kid.hex(),
        "public": cbor.encode(cose.write_key(key.public)).hex(),
    }


def _secret(algorithm: str) -> Document:
    return {"algorithm": algorithm, "id": None, "public": None}


def _key(role: str, said: Document, *, is_own: bool = True, **more: Any) -> Document:
    """Return one key; what is not known is null."""
    names = ("since", "ends", "next", "where", "kept", "mode", "waits_for", "trouble")
    return {
        "role": role,
        **said,
        "private": is_own,
        "in_use": more.get("in_use", True),
        "changed_by": more["changed_by"],
        **{name: more.get(name) for name in names},
    }
