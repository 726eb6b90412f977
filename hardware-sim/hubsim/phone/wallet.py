"""What a phone keeps: its key, its grant, the site's issuer, and caches of epochs and tickets.

Law: nothing in it identifies a person; losing the caches costs one longer unlock and nothing else.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives import serialization

from hubd.core import cbor, cose
from hubd.core.cose import Aead, PrivateKey, SigningKey, VerifyKey
from hubd.core.tokens import EpochCertificate, HubCertificate, read_epoch_certificate, read_hub_certificate

EPOCHS_MAX = 16


@dataclass(frozen=True, slots=True)
class KeptTicket:
    """A ticket as the phone keeps it: for which hub, its id, secret, AEAD and expiry in Unix seconds."""

    hub: str
    id: bytes
    secret: bytes
    aead: Aead
    expires: int


@dataclass(frozen=True, slots=True)
class KnownEpoch:
    """A hub's certificates, verified when they came."""

    hub: HubCertificate
    epoch: EpochCertificate
    hub_bytes: bytes
    epoch_bytes: bytes


@dataclass(slots=True)
class Wallet:
    """One phone at one site. `aeads` in the site's order of preference; `rsa_sizes` are modulus bytes it accepts;
    with `beacon_key` it knows the site's hubs from afar."""

    site: str
    issuer: VerifyKey
    key: SigningKey
    grant: bytes
    aeads: tuple[Aead, ...] = (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)
    rsa_sizes: tuple[int, ...] = (384, 512)
    revoked_hubs: frozenset[bytes] = frozenset()
    epochs: dict[bytes, KnownEpoch] = field(default_factory=dict)
    tickets: dict[bytes, KeptTicket] = field(default_factory=dict)
    beacon_key: bytes | None = field(default=None, repr=False)

    def keep_epoch(self, known: KnownEpoch) -> None:
        """Cache certificates under the epoch's key id; the oldest goes beyond EPOCHS_MAX."""
        while len(self.epochs) >= EPOCHS_MAX:
            del self.epochs[next(iter(self.epochs))]
        self.epochs[known.epoch.kid] = known


def save(wallet: Wallet, directory: Path) -> None:
    """Write the wallet's files; the private ones are readable by their owner only."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = wallet.key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(directory / "phone.key", pem)
    (directory / "grant.cbor").write_bytes(wallet.grant)
    if wallet.beacon_key is not None:
        write_private(directory / "beacon.key", wallet.beacon_key)
    issuer = cose.write_key(wallet.issuer.public)
    (directory / "site.cbor").write_bytes(cbor.encode({"site": wallet.site, "issuer": issuer}))
    save_caches(wallet, directory)


def save_caches(wallet: Wallet, directory: Path) -> None:
    """Write the epochs and tickets."""
    epochs = [[known.hub_bytes, known.epoch_bytes] for known in wallet.epochs.values()]
    tickets = {kid: [t.hub, t.id, t.secret, int(t.aead), t.expires] for kid, t in wallet.tickets.items()}
    write_private(directory / "caches.cbor", cbor.encode({"epochs": epochs, "tickets": tickets}))


def load(directory: Path) -> Wallet:
    """Read a wallet written by `save`."""
    key = serialization.load_pem_private_key((directory / "phone.key").read_bytes(), None)
    if not isinstance(key, PrivateKey):
        raise TypeError(f"{directory / 'phone.key'}: neither a P-256 nor an RSA key")
    site = cbor.decode((directory / "site.cbor").read_bytes())
    issuer = cose.read_key(site["issuer"])
    known = directory / "beacon.key"
    beacon_key = known.read_bytes() if known.exists() else None
    grant = (directory / "grant.cbor").read_bytes()
    wallet = Wallet(site["site"], issuer, SigningKey(key), grant, beacon_key=beacon_key)
    caches = cbor.decode((directory / "caches.cbor").read_bytes())
    for hub_bytes, epoch_bytes in caches["epochs"]:
        hub = read_hub_certificate(hub_bytes, issuer)
        epoch = read_epoch_certificate(epoch_bytes, hub, wallet.rsa_sizes)
        wallet.keep_epoch(KnownEpoch(hub, epoch, hub_bytes, epoch_bytes))
    for kid, (hub_id, id_, secret, aead, expires) in caches["tickets"].items():
        wallet.tickets[kid] = KeptTicket(hub_id, id_, secret, Aead(aead), expires)
    return wallet


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_suffix(path.suffix + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)
