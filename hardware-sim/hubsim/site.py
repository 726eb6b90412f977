"""A site for desks and tests: issuer, hub, backend and phones, their keys and documents, as files
in one folder.

    SITE/issuer.key  issuer.cbor  policy.cbor  site.json
    SITE/hub/      hub.toml identity.key certificate.cbor issuer.cbor curve.secret backend.pub
                   beacon.key
    SITE/hubs/HUB/ the same for each further hub
    SITE/backend/  curve.secret curve.pub hubs/HUB.curve.pub policy.cbor
    SITE/phones/NAME/  phone.key grant.cbor site.cbor beacon.key caches.cbor

`export` writes a hub's files as /etc/credstore of the hub wants them, and its configuration.

Laws: private files are readable by their owner only; the issuer's key never leaves SITE; an access
point is one hub's; no grant or schedule that could never hold is made; a grant takes the place of
none that could still open a door.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import zmq
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubcore.access import policy
from hubcore.access.grant import Access, Grant, issue_grant, read_grant
from hubcore.access.policy import Policy
from hubcore.access.words import HubName
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, VerifyKey, read_key
from hubcore.errors import HubError
from hubcore.phone import beacon
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate, read_hub_certificate
from hubd.config.file import parse
from hubsim.phone import wallet
from hubsim.phone.wallet import Wallet, write_private
from hubsim.weekly import refuse_never

DESK = Path("desk")
HUB_DAYS = 365
GRANT_DAYS = 30
GRANT_DAYS_MAX = 366
"""What grant_days_max of a hub's configuration may be at most."""
DEFAULT_BACKEND = "tcp://127.0.0.1:8871"
OPEN_AND_QUERY = 0b1001
_ID = re.compile(r"[a-z0-9-]{1,32}")
EXPORTED = {
    "identity": "identity.key",
    "certificate": "certificate.cbor",
    "issuer": "issuer.cbor",
    "curve_secret": "curve.secret",
    "backend_public": "backend.pub",
    "beacon": "beacon.key",
}
"""A hub's keys: as hubd's [keys] call them, and as this folder does."""
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


def certify_hub(
    issuer: SigningKey,
    name: HubName,
    key: SigningKey,
    points: Sequence[int],
    span: Validity | None = None,
) -> bytes:
    """Return a hub certificate."""
    span = span or Validity.days(HUB_DAYS)
    document = HubCertificate(
        site=name.site,
        hub=name.hub,
        not_before=span.not_before,
        expires=span.expires,
        key=key.verify_key,
        access_points=tuple(sorted(points)),
    )
    return issue_hub_certificate(issuer, document, key.cose_key)


def make_grant(
    issuer: SigningKey,
    site: str,
    credential: str,
    key: SigningKey,
    access: Sequence[Access],
    span: Validity | None = None,
) -> bytes:
    """Return a grant. Raise ValueError for a rule that never holds."""
    for entry in access:
        refuse_never(entry.rules)
    span = span or Validity.days(GRANT_DAYS)
    id_ = secrets.token_bytes(8)
    document = Grant(
        site=site,
        credential=credential,
        not_before=span.not_before,
        expires=span.expires,
        grant_id=id_,
        key=key.verify_key,
        access=tuple(access),
    )
    return issue_grant(issuer, document, key.cose_key)


@dataclass(frozen=True, slots=True)
class DeskDoor:
    """One door of a desk's hub with one access point; `strikes` names those of a door that has more
    than one.
    """

    id: str = "front"
    name: str = "Front door"
    access_point: int = 1
    strike_seconds: float = 5.0
    fresh: bool = False
    strikes: tuple[str, ...] = ()


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
        """The first hub's folder."""
        return self.path / "hub"

    @property
    def first_hub(self) -> str:
        """The id of the hub that the site was made with."""
        return str(json.loads((self.path / "site.json").read_text())["hub"])

    @property
    def endpoint(self) -> str:
        """Where the desk's backend listens."""
        return str(
            json.loads((self.path / "site.json").read_text()).get("backend", DEFAULT_BACKEND)
        )

    def hub_names(self) -> tuple[str, ...]:
        """The ids of all hubs, the first one first."""
        more = sorted(path.parent.name for path in self.path.glob("hubs/*/certificate.cbor"))
        return (self.first_hub, *more)

    def hub_folder(self, hub: str) -> Path:
        """The folder of a hub. Raise ValueError for one that the site has not."""
        if hub not in self.hub_names():
            there = ", ".join(self.hub_names())
            raise ValueError(
                f"there is no hub {hub!r}; there are {there}; `hubsim site certify` makes another"
            )
        return self.hub if hub == self.first_hub else self.path / "hubs" / hub

    def certificate(self, hub: str) -> HubCertificate:
        """The certificate that a hub has now."""
        return read_hub_certificate(
            (self.hub_folder(hub) / "certificate.cbor").read_bytes(), self.verifier
        )

    def hub_of(self, access_point: int) -> str | None:
        """The hub that serves an access point, None when none does."""
        serving = (
            hub for hub in self.hub_names() if access_point in self.certificate(hub).access_points
        )
        return next(serving, None)

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
        """Sign a policy and lay it where the backend finds it.

        Raise ValueError for a rule that never holds.
        """
        for rules in new.schedules.values():
            refuse_never(rules)
        document = policy.issue(new, self.issuer)
        (self.path / "policy.cbor").write_bytes(document)
        (self.backend / "policy.cbor.new").write_bytes(document)
        (self.backend / "policy.cbor.new").replace(self.backend / "policy.cbor")

    def revoke(self, *credentials: str) -> Policy:
        """Revoke credentials in a new policy, published."""
        old = self.policy()
        gone = old.revoked_credentials | set(credentials)
        new = replace(
            old, version=old.version + 1, issued_at=int(time.time()), revoked_credentials=gone
        )
        self.publish(new)
        return new

    def grant(
        self, name: str, access: Sequence[Access], span: Validity | None = None, kind: str = "ES256"
    ) -> Path:
        """Make a phone with a key and a grant; its credential is an opaque id that is not its name.

        Raise ValueError for a name whose grant is not revoked: its credential would be forgotten,
        and go on opening.
        """
        self._refuse_second(name)
        key = make_key(kind)
        credential = secrets.token_hex(8)
        document = make_grant(
            issuer=self.issuer,
            site=self.name,
            credential=credential,
            key=key,
            access=access,
            span=span,
        )
        new = Wallet(
            site=self.name,
            issuer=self.verifier,
            key=key,
            grant=document,
            beacon_key=self.beacon_key,
        )
        wallet.save(new, self.phone(name))
        (self.phone(name) / "credential").write_text(credential)
        return self.phone(name)

    def _refuse_second(self, name: str) -> None:
        if not (self.phone(name) / "credential").is_file():
            return
        credential = self.credential(name)
        if credential in self.policy().revoked_credentials:
            return
        raise ValueError(
            f"{name} has a grant already (credential {credential}, {self._until(name)}): "
            "revoke it first "
            f"(hubsim site{at(self.path)} revoke {name}), or choose another name"
        )

    def _until(self, name: str) -> str:
        try:
            grant = read_grant(
                (self.phone(name) / "grant.cbor").read_bytes(), self.verifier, self.name
            )
        except (OSError, HubError):
            return "its end cannot be read"
        return f"until {datetime.fromtimestamp(grant.expires, UTC):%Y-%m-%d %H:%M} UTC"

    def credential(self, name: str) -> str:
        """The opaque id of a phone's credential."""
        return (self.phone(name) / "credential").read_text()


def at(path: Path) -> str:
    """Return what a command must say of a site's folder: nothing of the usual one."""
    return "" if path == DESK else f" --at {path}"


def init(
    path: Path,
    site: str = "site-1",
    hub: str = "hub-1",
    points: Sequence[int] = (1,),
    for_show: bool = False,
    backend: str = DEFAULT_BACKEND,
) -> Site:
    """Make a new site's folder. Raise FileExistsError for one that holds anything but a site made
    `for_show`.

    `backend` is where the desk's backend listens. Raise ValueError for a name that hubd would
    refuse.
    """
    _check_id("site", site)
    _check_id("hub", hub)
    if path.exists() and any(path.iterdir()):
        known = path / "site.json"
        if not (for_show and known.exists() and json.loads(known.read_text()).get("for_show")):
            raise FileExistsError(
                f"{path} holds something already: name a new folder with --at, or remove it"
            )
        shutil.rmtree(path)
    for folder in (path, path / "backend" / "hubs", path / "phones"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _keep_out_of_git(path)
    names = {"site": site, "hub": hub, "for_show": for_show, "backend": backend}
    (path / "site.json").write_text(json.dumps(names))
    made = Site(path)
    issuer = make_key()
    write_private(path / "issuer.key", pem(issuer))
    _write_public(path / "issuer.cbor", cbor.encode(issuer.cose_key))
    backend_public, backend_secret = zmq.curve_keypair()
    write_private(made.backend / "curve.secret", backend_secret)
    (made.backend / "curve.pub").write_bytes(backend_public)
    _make_hub(made, made.hub, hub, points, secrets.token_bytes(beacon.KEY_BYTES))
    made.publish(Policy(site, 1, int(time.time())))
    return made


def _keep_out_of_git(folder: Path) -> None:
    """Have a repository around the folder not take the private keys in it."""
    _write_public(folder / ".gitignore", b"*\n")


def add_hub(site: Site, hub: str, points: Sequence[int], days: float = HUB_DAYS) -> HubCertificate:
    """Make another hub of the site with keys of its own.

    Raise ValueError for a name or an access point in use.
    """
    _check_id("hub", hub)
    if not points:
        raise ValueError(
            f"hub {hub} is new: say which access points it serves, --access-point N for each"
        )
    _check_free(site, hub, points)
    folder = site.path / "hubs" / hub
    folder.parent.mkdir(exist_ok=True, mode=0o700)
    _make_hub(site, folder, hub, points, site.beacon_key, Validity.days(days))
    return site.certificate(hub)


def certify(
    site: Site,
    hub: str,
    more: Sequence[int] = (),
    without: Sequence[int] = (),
    days: float = HUB_DAYS,
) -> HubCertificate:
    """Renew a hub's certificate for the same key, with `more` access points or `without` some.

    Raise ValueError.
    """
    folder = site.hub_folder(hub)
    old = site.certificate(hub)
    strangers = set(without) - set(old.access_points)
    if strangers:
        raise ValueError(f"hub {hub} does not serve access point {min(strangers)}")
    points = set(old.access_points) - set(without) | set(more)
    if not points:
        raise ValueError(f"hub {hub} would serve no access point")
    _check_free(site, hub, more)
    key = serialization.load_pem_private_key((folder / "identity.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    span = Validity.days(days)
    document = certify_hub(
        issuer=site.issuer,
        name=HubName(site.name, hub),
        key=SigningKey(key),
        points=sorted(points),
        span=span,
    )
    _write_public(folder / "certificate.cbor", document)
    return site.certificate(hub)


def _check_id(what: str, name: str) -> None:
    if not _ID.fullmatch(name):
        raise ValueError(f"{name!r} is no {what}: choose 1 to 32 characters of a-z, 0-9 and -")


def _check_free(site: Site, hub: str, points: Sequence[int]) -> None:
    """An access point is one direction through one door: two hubs cannot have it."""
    for point in points:
        owner = site.hub_of(point)
        if owner not in (None, hub):
            raise ValueError(
                f"access point {point} is {owner}'s: choose another number, or first take it "
                "away there: "
                f"`hubsim site certify {owner} --without {point}`"
            )


def _make_hub(
    site: Site,
    folder: Path,
    hub: str,
    points: Sequence[int],
    beacon_key: bytes | None,
    span: Validity | None = None,
) -> None:
    """Make a hub's folder with keys of its own, known to the backend."""
    folder.mkdir(mode=0o700)
    identity = make_key()
    write_private(folder / "identity.key", pem(identity))
    _write_public(folder / "issuer.cbor", (site.path / "issuer.cbor").read_bytes())
    document = certify_hub(
        issuer=site.issuer,
        name=HubName(site.name, hub),
        key=identity,
        points=sorted(set(points)),
        span=span,
    )
    _write_public(folder / "certificate.cbor", document)
    if beacon_key is not None:
        write_private(folder / "beacon.key", beacon_key)
    public, secret = zmq.curve_keypair()
    write_private(folder / "curve.secret", secret)
    _write_public(folder / "backend.pub", (site.backend / "curve.pub").read_bytes())
    (site.backend / "hubs" / f"{hub}.curve.pub").write_bytes(public)


def desk_doors(points: Sequence[int]) -> list[DeskDoor]:
    """One door for each access point."""
    if tuple(points) == (1,):
        return [DeskDoor()]
    return [DeskDoor(f"door-{point}", f"Door {point}", point) for point in points]


def export(site: Site, hub: str, directory: Path, backend: str | None, time_zone: str) -> None:
    """Write a hub's keys as its /etc/credstore wants them, hubd.NAME, and its configuration,
    config.toml.

    `backend` is the endpoint that the hub shall reach, None for a hub that decides alone. Raise
    FileExistsError for a directory that holds something, ValueError for a hub that there is not,
    ConfigError for what the hub would refuse.
    """
    folder = site.hub_folder(hub)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} holds something already: name a new folder")
    names = [name for name, file in EXPORTED.items() if (folder / file).exists()]
    doors = desk_doors(site.certificate(hub).access_points)
    text = _exported_config(site.name, hub, names, doors, backend, time_zone)
    parse(
        text, directory / "config.toml", {"CREDENTIALS_DIRECTORY": "/run/credentials/hubd.service"}
    )
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    _keep_out_of_git(directory)
    for name in names:
        write_private(directory / f"hubd.{name}", (folder / EXPORTED[name]).read_bytes())
    _write_public(directory / "config.toml", text.encode())


def _exported_config(
    site: str,
    hub: str,
    names: Sequence[str],
    doors: Sequence[DeskDoor],
    backend: str | None,
    time_zone: str,
) -> str:
    keys = "".join(f'{name} = "credential:{name}"\n' for name in names)
    text = f"""# /etc/hubd/hubd.toml of hub {hub}.
# config/hubd.toml in the source says what else it may hold.
# Still to do: chip and line of each strike, as they are wired; gpiodetect and gpioinfo
# (apt install gpiod) show both.

[hub]
id = "{hub}"
site = "{site}"
time_zone = "{time_zone}"

[keys]
{keys}"""
    if backend is not None:
        text += f'\n[backend]\nendpoint = "{backend}"\n'
    for index, door in enumerate(doors):
        text += f"""
[[doors]]
id = "{door.id}"
name = "{door.name}"
strike = {{ chip = "CHANGE-ME", line = {index} }}

[[doors.access_points]]
number = {door.access_point}
name = "{door.name}, inwards"
"""
    return text


def write_config(
    site: Site, endpoint: str, doors: Sequence[DeskDoor], hub: str | None = None
) -> Path:
    """Write the desk's configuration of a hub, by itself the first, for a backend at `endpoint`;
    return its path.
    """
    hub = hub or site.first_hub
    beacon_line = '\nbeacon = "beacon.key"' if site.beacon_key else ""
    lines = [
        f"""[hub]
id = "{hub}"
site = "{site.name}"
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
{"" if door.strikes else f'strike = {{ chip = "gpiochip0", line = {index} }}'}
strike_seconds = {door.strike_seconds}
dps = {{ chip = "gpiochip0", line = {index + 32} }}
{_listed(door)}
[[doors.access_points]]
number = {door.access_point}
name = "{door.name}, inward"
fresh = {str(door.fresh).lower()}
"""
        )
    path = site.hub_folder(hub) / "hub.toml"
    _write_public(path, "".join(lines).encode())
    return path


def _listed(door: DeskDoor) -> str:
    """Return the strikes of a door that has more than one; a desk's lines are found by their
    strikes, not by these.
    """
    return "".join(
        f"""
[[doors.movers]]
kind = "strike"
id = "{strike}"
chip = "{door.id}"
line = {number}
"""
        for number, strike in enumerate(door.strikes)
    )


def pem(key: SigningKey) -> bytes:
    """Return a private key as unencrypted PKCS8 PEM."""
    encoding = serialization.Encoding.PEM
    form = serialization.PrivateFormat.PKCS8
    return key.private.private_bytes(encoding, form, serialization.NoEncryption())


def _write_public(path: Path, data: bytes) -> None:
    """Write a file that everybody may read and only its owner may write, whatever the umask."""
    path.write_bytes(data)
    path.chmod(0o644)
