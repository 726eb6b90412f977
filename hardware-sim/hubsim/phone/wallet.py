"""What a phone has: its key, its grant, the site's issuer, and what it learned of hubs and doors.

Laws:
1. Nothing in it identifies a person.
2. Losing the caches costs one longer unlock and nothing else.
3. A ticket is worth no more than the hub certificate it began with: not at other access points, and
   not for longer.
4. A wish without an answer keeps its op for WISH_SECONDS; every other wish has a new one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from hubcore.access.words import Action
from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead, PrivateKey, SigningKey, VerifyKey
from hubcore.phone.certificates import (
    EpochCertificate,
    HubCertificate,
    read_epoch_certificate,
    read_hub_certificate,
)
from hubcore.phone.messages import OP_BYTES

EPOCHS_MAX = 16
_AEADS = (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)
CARRY_BYTES_MAX = 2400
"""Grant and list together: the rest of an open has up to 1,600 bytes, with two RSA-4096 keys."""
REVOCATIONS = "revocations.cbor"
"""The name of the file, in a phone's folder as in a site's."""
WISH_SECONDS = 120.0
"""Counted from the first sending of an op: never longer than a hub remembers it."""


@dataclass(frozen=True, slots=True)
class KeptTicket:
    """A ticket as the phone keeps it; times in Unix seconds.

    `hub` (an input of the key schedule), `access_points` and `hub_expires` are of the hub
    certificate that was verified on the full path which began the chain. `expires` is what the hub
    said.
    """

    hub: str
    id: bytes
    secret: bytes
    aead: Aead
    expires: int
    access_points: frozenset[int]
    hub_expires: int

    def over(self, wall: float) -> bool:
        """Tell whether its time has ended, or its hub's."""
        return wall > min(self.expires, self.hub_expires)


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A wish that got no answer: its op, and the Unix seconds of its first sending."""

    op: bytes
    asked_at: float


@dataclass(frozen=True, slots=True)
class KnownEpoch:
    """A hub's certificates, verified when they came."""

    hub: HubCertificate
    epoch: EpochCertificate
    hub_bytes: bytes
    epoch_bytes: bytes


@dataclass(slots=True)
class Wallet:
    """One phone at one site.

    `aeads` are in the site's order of preference. `rsa_sizes` are the modulus bytes that it
    accepts. With `beacon_key` it knows the site's hubs from afar. `full_path_at` are the access
    points that asked for the full path, until its grant is renewed.
    """

    site: str
    issuer: VerifyKey
    key: SigningKey
    grant: bytes
    aeads: tuple[Aead, ...] = _AEADS
    rsa_sizes: tuple[int, ...] = (384, 512)
    revoked_hubs: frozenset[bytes] = frozenset()
    epochs: dict[bytes, KnownEpoch] = field(default_factory=dict)
    tickets: dict[bytes, KeptTicket] = field(default_factory=dict)
    full_path_at: set[int] = field(default_factory=set)
    unanswered: dict[tuple[int, Action], Unanswered] = field(default_factory=dict)
    beacon_key: bytes | None = field(default=None, repr=False)
    revocations: bytes = b""
    """The site's newest list of revocations, to be carried to hubs; b"" for none."""
    carried_to: dict[str, bytes] = field(default_factory=dict)
    """By hub, SHA-256 of the list that it has had from this phone."""

    def revocations_for(self, hub: str) -> bytes:
        """Return the list that this hub has not had from this phone yet; b"" for none.

        One that does not fit into a request beside the grant is carried to no hub.
        """
        if self.carried_to.get(hub) == _digest(self.revocations):
            return b""
        if len(self.grant) + len(self.revocations) > CARRY_BYTES_MAX:
            return b""
        return self.revocations

    def carried(self, hub: str) -> None:
        """The hub has answered a request that held the list."""
        self.carried_to[hub] = _digest(self.revocations)

    def keep_epoch(self, known: KnownEpoch) -> None:
        """Cache certificates under the epoch's key id; the oldest goes beyond EPOCHS_MAX."""
        while len(self.epochs) >= EPOCHS_MAX:
            oldest = next(iter(self.epochs))
            del self.epochs[oldest]
        self.epochs[known.epoch.kid] = known

    def op_for(
        self,
        access_point: int,
        action: Action,
        wall: float,
        chance: Callable[[int], bytes],
    ) -> bytes:
        """Return the op for a wish: the same while the wish is unanswered, else a new one."""
        sent = self.unanswered.get((access_point, action))
        if sent is not None and 0 <= wall - sent.asked_at <= WISH_SECONDS:
            return sent.op
        return chance(OP_BYTES)

    def asked(
        self,
        access_point: int,
        action: Action,
        op: bytes,
        wall: float,
    ) -> None:
        """Remember that a wish was sent; the time of its first sending counts."""
        sent = self.unanswered.get((access_point, action))
        if sent is None or sent.op != op:
            self.unanswered[access_point, action] = Unanswered(op, wall)

    def answered(self, access_point: int, action: Action) -> None:
        """Forget a wish that has its answer, whatever it is."""
        self.unanswered.pop((access_point, action), None)


def _digest(document: bytes) -> bytes:
    return hashlib.sha256(document).digest()


def save(wallet: Wallet, directory: Path) -> None:
    """Write the wallet's files; only their owner may read the private ones."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    pem = wallet.key.private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    write_private(directory / "phone.key", pem)
    (directory / "grant.cbor").write_bytes(wallet.grant)
    if wallet.beacon_key is not None:
        write_private(directory / "beacon.key", wallet.beacon_key)
    if wallet.revocations:
        (directory / REVOCATIONS).write_bytes(wallet.revocations)
    issuer = cose.write_key(wallet.issuer.public)
    site = cbor.encode({"site": wallet.site, "issuer": issuer})
    (directory / "site.cbor").write_bytes(site)
    save_caches(wallet, directory)


def save_caches(wallet: Wallet, directory: Path) -> None:
    """Write what was learned of hubs and doors."""
    unanswered = [
        [point, int(action), sent.op, int(sent.asked_at)]
        for (point, action), sent in wallet.unanswered.items()
    ]
    epochs = [[known.hub_bytes, known.epoch_bytes] for known in wallet.epochs.values()]
    tickets = {kid: _write_ticket(ticket) for kid, ticket in wallet.tickets.items()}
    caches = {
        "epochs": epochs,
        "tickets": tickets,
        "full path at": sorted(wallet.full_path_at),
        "unanswered": unanswered,
        "carried to": wallet.carried_to,
    }
    write_private(directory / "caches.cbor", cbor.encode(caches))


def _write_ticket(ticket: KeptTicket) -> list[Any]:
    return [
        ticket.hub,
        ticket.id,
        ticket.secret,
        int(ticket.aead),
        ticket.expires,
        sorted(ticket.access_points),
        ticket.hub_expires,
    ]


def _read_ticket(written: list[Any]) -> KeptTicket | None:
    """Read what `_write_ticket` wrote, None for an old version's without a scope: worth nothing."""
    match written:
        case [hub, id_, secret, aead, expires, points, hub_expires]:
            return KeptTicket(
                hub=hub,
                id=id_,
                secret=secret,
                aead=Aead(aead),
                expires=expires,
                access_points=frozenset(points),
                hub_expires=hub_expires,
            )
    return None


def load(directory: Path) -> Wallet:
    """Read a wallet written by `save`."""
    pem = (directory / "phone.key").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    if not isinstance(key, PrivateKey):
        raise TypeError(f"{directory / 'phone.key'}: neither a P-256 nor an RSA key")
    site = cbor.decode((directory / "site.cbor").read_bytes())
    issuer = cose.read_key(site["issuer"])
    beacon_file = directory / "beacon.key"
    revocations_file = directory / REVOCATIONS
    wallet = Wallet(
        site=site["site"],
        issuer=issuer,
        key=SigningKey(key),
        grant=(directory / "grant.cbor").read_bytes(),
        beacon_key=beacon_file.read_bytes() if beacon_file.exists() else None,
        revocations=revocations_file.read_bytes() if revocations_file.exists() else b"",
    )
    caches = (directory / "caches.cbor").read_bytes()
    _load_caches(wallet, cbor.decode(caches))
    return wallet


def _load_caches(wallet: Wallet, caches: dict[str, Any]) -> None:
    for hub_bytes, epoch_bytes in caches["epochs"]:
        hub = read_hub_certificate(hub_bytes, wallet.issuer)
        epoch = read_epoch_certificate(epoch_bytes, hub, wallet.rsa_sizes)
        wallet.keep_epoch(
            KnownEpoch(
                hub=hub,
                epoch=epoch,
                hub_bytes=hub_bytes,
                epoch_bytes=epoch_bytes,
            )
        )
    for kid, written in caches["tickets"].items():
        ticket = _read_ticket(written)
        if ticket is not None:
            wallet.tickets[kid] = ticket
    wallet.full_path_at = set(caches.get("full path at", []))
    wallet.carried_to = dict(caches.get("carried to", {}))
    for point, action, op, asked_at in caches.get("unanswered", []):
        wallet.unanswered[point, Action(action)] = Unanswered(op, asked_at)


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    new = path.with_suffix(path.suffix + ".new")
    how = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    descriptor = os.open(new, how, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    new.replace(path)
