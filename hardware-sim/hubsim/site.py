"""A site for desks and tests: issuer, hub, backend and phones, their keys and documents, as files in one folder.

    SITE/issuer.key  issuer.cbor  policy.cbor  site.json
    SITE/hub/      hub.toml identity.key certificate.cbor issuer.cbor curve.secret backend.pub beacon.key
    SITE/backend/  curve.secret curve.pub hubs/HUB.curve.pub policy.cbor
    SITE/phones/NAME/  phone.key grant.cbor site.cbor beacon.key caches.cbor

Law: private files are readable by their owner only; the issuer's key never leaves SITE.
"""

from __future__ import annotations

import json
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import zmq
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubd.core import beacon, cbor, policy, tokens
from hubd.core.cose import SigningKey, VerifyKey, read_key
from hubd.core.policy import Policy
from hubd.core.tokens import Access, Grant, HubCertificate
from hubsim.phone import wallet
from hubsim.phone.wallet import Wallet, write_private

HUB_DAYS, GRANT_DAYS = 365, 30
OPEN_AND_QUERY = 0b1001
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Validity:
    """A span of Unix seconds."""

    not_before: int
    expires: int

    @classmethod
    def days(cls, days: float, begins: float | None = None) -> Validity:
        """Return `days` from `begins` (now, less a minute)."""
        start = int(time.time() if begins is None else begins) - 60
        return cls(start, start + int(days * DAY))


def make_key(kind: str = "ES256") -> SigningKey:
    """Make a signature key: ES256 or PS256 (RSA-3072)."""
    if kind == "PS256":
        return SigningKey(rsa.generate_private_key(65537, 3072))
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def certify_hub(issuer: SigningKey, names: tuple[str, str], key: SigningKey, points: Sequence[int]) -> bytes:
    """Return a hub certificate; `names` are (site, hub)."""
    span = Validity.days(HUB_DAYS)
    document = HubCertificate(*names, span.not_before, span.expires, key.verify_key, tuple(sorted(points)))
    return tokens.issue_hub_certificate(issuer, document, key.cose_key)


def make_grant(
    issuer: SigningKey, names: tuple[str, str], key: SigningKey, access: Sequence[Access], span: Validity | None = None
) -> bytes:
    """Return a grant; `names` are (site, credential)."""
    span = span or Validity.days(GRANT_DAYS)
    id_ = secrets.token_bytes(8)
    document = Grant(*names, span.not_before, span.expires, id_, key.verify_key, tuple(access))
    return tokens.issue_grant(issuer, document, key.cose_key)


@dataclass(frozen=True, slots=True)
class DeskDoor:
    """One door of a desk's hub with one access point."""

    id: str = "front"
    name: str = "Front door"
    access_point: int = 1
    strike_seconds: float = 5.0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Site:
    """A site's folder."""

    path: Path

    @property
    def name(self) -> str:
        """The site's id."""
        return str(json.loads((self.path / "site.json").read_text())["site"])

    @property
    def hub(self) -> Path:
        """The hub's folder."""
        return self.path / "hub"

    @property
    def backend(self) -> Path:
        """The backend's folder."""
        return self.path / "backend"

    @property
    def issuer(self) -> SigningKey:
        """The issuer's key."""
        key = serialization.load_pem_private_key((self.path / "issuer.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return SigningKey(key)

    @property
    def verifier(self) -> VerifyKey:
        """The issuer's public key."""
        return read_key(cbor.decode((self.path / "issuer.cbor").read_bytes()))

    @property
    def beacon_key(self) -> bytes | None:
        """What hubs and phones know each other by from afar; a site may do without."""
        path = self.hub / "beacon.key"
        return path.read_bytes() if path.exists() else None

    def phone(self, name: str) -> Path:
        """The folder of a phone."""
        return self.path / "phones" / name

    def policy(self) -> Policy:
        """The newest policy."""
        return policy.read((self.path / "policy.cbor").read_bytes(), self.verifier, self.name)

    def publish(self, new: Policy) -> None:
        """Sign a policy and lay it where the backend finds it."""
        document = policy.issue(new, self.issuer)
        (self.path / "policy.cbor").write_bytes(document)
        (self.backend / "policy.cbor.new").write_bytes(document)
        (self.backend / "policy.cbor.new").replace(self.backend / "policy.cbor")

    def revoke(self, *credentials: str) -> Policy:
        """Revoke credentials in a new policy, published."""
        old = self.policy()
        gone = old.revoked_credentials | set(credentials)
        new = replace(old, version=old.version + 1, issued_at=int(time.time()), revoked_credentials=gone)
        self.publish(new)
        return new

    def grant(self, name: str, access: Sequence[Access], span: Validity | None = None, kind: str = "ES256") -> Path:
        """Make a phone with a key and a grant; its credential is an opaque id that is not its name."""
        key = make_key(kind)
        credential = secrets.token_hex(8)
        document = make_grant(self.issuer, (self.name, credential), key, access, span)
        new = Wallet(self.name, self.verifier, key, document, beacon_key=self.beacon_key)
        wallet.save(new, self.phone(name))
        (self.phone(name) / "credential").write_text(credential)
        return self.phone(name)

    def credential(self, name: str) -> str:
        """The opaque id of a phone's credential."""
        return (self.phone(name) / "credential").read_text()


def init(
    path: Path, site: str = "site-1", hub: str = "hub-1", points: Sequence[int] = (1,), for_show: bool = False
) -> Site:
    """Make a new site's folder. Raise FileExistsError for one that holds anything but a site made `for_show`."""
    if path.exists() and any(path.iterdir()):
        known = path / "site.json"
        if not (for_show and known.exists() and json.loads(known.read_text()).get("for_show")):
            raise FileExistsError(f"{path} holds something already: name a new folder with --at, or remove it")
        shutil.rmtree(path)
    for folder in (path, path / "hub", path / "backend" / "hubs", path / "phones"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (path / "site.json").write_text(json.dumps({"site": site, "hub": hub, "for_show": for_show}))
    made = Site(path)
    issuer, identity = make_key(), make_key()
    write_private(path / "issuer.key", pem(issuer))
    for folder in (path, made.hub):
        _write_public(folder / "issuer.cbor", cbor.encode(issuer.cose_key))
    write_private(made.hub / "identity.key", pem(identity))
    _write_public(made.hub / "certificate.cbor", certify_hub(issuer, (site, hub), identity, points))
    write_private(made.hub / "beacon.key", secrets.token_bytes(beacon.KEY_BYTES))
    hub_public, hub_secret = zmq.curve_keypair()
    backend_public, backend_secret = zmq.curve_keypair()
    write_private(made.hub / "curve.secret", hub_secret)
    write_private(made.backend / "curve.secret", backend_secret)
    _write_public(made.hub / "backend.pub", backend_public)
    (made.backend / "curve.pub").write_bytes(backend_public)
    (made.backend / "hubs" / f"{hub}.curve.pub").write_bytes(hub_public)
    made.publish(Policy(site, 1, int(time.time())))
    return made


def write_config(site: Site, endpoint: str, doors: Sequence[DeskDoor]) -> Path:
    """Write the hub's configuration for a backend at `endpoint`; return its path."""
    names = json.loads((site.path / "site.json").read_text())
    beacon_line = '\nbeacon = "beacon.key"' if site.beacon_key else ""
    lines = [
        f"""[hub]
id = "{names["hub"]}"
site = "{names["site"]}"
time_zone = "Europe/Berlin"
state_directory = "state"

[keys]
identity = "identity.key"
certificate = "certificate.cbor"
issuer = "issuer.cbor"
curve_secret = "curve.secret"
backend_public = "backend.pub"{beacon_line}

[backend]
endpoint = "{endpoint}"

[api]
socket = "hubd.sock"
"""
    ]
    for index, door in enumerate(doors):
        lines.append(
            f"""
[[doors]]
id = "{door.id}"
name = "{door.name}"
strike = {{ chip = "gpiochip0", line = {index} }}
strike_seconds = {door.strike_seconds}
dps = {{ chip = "gpiochip0", line = {index + 32} }}

[[doors.access_points]]
number = {door.access_point}
name = "{door.name}, inward"
fresh = {str(door.fresh).lower()}
"""
        )
    path = site.hub / "hub.toml"
    _write_public(path, "".join(lines).encode())
    return path


def pem(key: SigningKey) -> bytes:
    """Return a private key as unencrypted PKCS8 PEM."""
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private.private_bytes(encoding, form, serialization.NoEncryption())


def _write_public(path: Path, data: bytes) -> None:
    """Write a file that everybody may read and only its owner may write, whatever the umask."""
    path.write_bytes(data)
    path.chmod(0o644)
