"""The files of PKOC in a site's folder.

    SITE/pkoc/issuer.key        the site's PKOC issuer: proves readers
    SITE/pkoc/site.key          the site's one key, for the apps of 1.x
    SITE/pkoc/site.id           the site's id, 16 bytes
    SITE/pkoc/phones/NAME.key   a simulated phone of others
    HUB/pkoc.key, pkoc.cert     the reader's key, and its certificate; or the site's key alone
    HUB/pkoc.toml               the section of the hub's configuration

Law: only their owner may read a key.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from hubcore.access.cards import Card, public_key_digest
from hubcore.access.grant import Access
from hubcore.codec.cose import SigningKey
from hubcore.pkoc.certificate import ReaderCertificate, compressed, uncompressed
from hubcore.policy.policy import Policy
from hubd.config.file import load
from hubsim.phone.wallet import write_private
from hubsim.pkoc.trust import KnownSite
from hubsim.site.cards import card_key
from hubsim.site.documents import GRANT_DAYS, Validity
from hubsim.site.folder import Site
from hubsim.site.hubfiles import PKOC_SECTION
from hubsim.site.readers import CARD_KEY_FILE
from hubsim.weekly import refuse_never

KEY_FILE = "pkoc.key"
CERTIFICATE_FILE = "pkoc.cert"
READER_DAYS = 365
_CREDENTIAL_BYTES = 8
_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class PkocSite:
    """PKOC of one site."""

    site: Site

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.site.path / "pkoc"

    def issuer(self) -> ec.EllipticCurvePrivateKey:
        """Return the site's PKOC issuer; make it when there is none yet."""
        return _key(self.folder / "issuer.key")

    def id(self) -> bytes:
        """Return the site's id; make it when there is none yet."""
        path = self.folder / "site.id"
        if not path.exists():
            self.folder.mkdir(exist_ok=True, mode=0o700)
            write_private(path, uuid.uuid4().bytes)
        return path.read_bytes()

    def add_reader(
        self, hub: str, access_point: int, days: float = READER_DAYS, by_site: bool = False
    ) -> None:
        """Let a hub meet PKOC phones at an access point.

        It gets a new key and a certificate; with `by_site` the site's one key, for apps of 1.x.
        Raise ValueError for an access point that the hub does not serve.
        """
        folder = self.site.hub_folder(hub)
        is_certified = hub in self.site.hub_names()
        if is_certified and access_point not in self.site.certificate(hub).access_points:
            raise ValueError(f"hub {hub} does not serve access point {access_point}")
        location = secrets.token_bytes(_ID_BYTES)
        if by_site:
            write_private(folder / KEY_FILE, _pem(self.key_of_all()))
            (folder / CERTIFICATE_FILE).unlink(missing_ok=True)
        else:
            self._certify(folder, location, days)
        write_private(folder / CARD_KEY_FILE, card_key(self.site))
        section = f"""
[pkoc]
access_point = {access_point}
site = "{uuid.UUID(bytes=self.id())}"
location = "{uuid.UUID(bytes=location)}"
"""
        if by_site:
            section += 'signs_as = "site"\n'
        (folder / PKOC_SECTION).write_text(section)

    def key_of_all(self) -> ec.EllipticCurvePrivateKey:
        """Return the site's one key; make it when there is none yet."""
        return _key(self.folder / "site.key")

    def _certify(self, folder: Path, location: bytes, days: float) -> None:
        """Give a reader a key of its own, and a certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        validity = Validity.days(days)
        certificate = ReaderCertificate(
            location=location,
            site=self.id(),
            not_before=validity.not_before,
            not_after=validity.expires,
            key=compressed(key.public_key()),
        )
        write_private(folder / KEY_FILE, _pem(key))
        write_private(folder / CERTIFICATE_FILE, certificate.encode(SigningKey(self.issuer())))

    def add_phone(
        self, name: str, access: Sequence[Access], validity: Validity | None = None
    ) -> Policy:
        """Make a simulated phone, and let it in by a new policy, published; return that.

        Raise ValueError for a name that is there, or a rule that never holds.
        """
        path = self._phone(name)
        if path.exists():
            raise ValueError(f"there is a PKOC phone {name} already: choose another name")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = _key(path)
        return self.let_in(uncompressed(key.public_key()), access, validity)

    def let_in(
        self, point: bytes, access: Sequence[Access], validity: Validity | None = None
    ) -> Policy:
        """Let the holder of a public key (65 bytes) in by a new policy, published; return that."""
        for entry in access:
            refuse_never(entry.rules)
        validity = validity or Validity.days(GRANT_DAYS)
        digest = public_key_digest(card_key(self.site), point)
        old = self.site.policy()
        if digest in old.cards:
            raise ValueError("a phone of the site has that key already")
        row = Card(
            digest=digest,
            credential=secrets.token_hex(_CREDENTIAL_BYTES),
            not_before=validity.not_before,
            expires=validity.expires,
            access=tuple(access),
        )
        return self.site.change(cards={**old.cards, digest: row})

    def phone_key(self, name: str) -> ec.EllipticCurvePrivateKey:
        """Return a phone's key. Raise ValueError when there is no such phone."""
        path = self._phone(name)
        if not path.exists():
            there = ", ".join(sorted(one.stem for one in path.parent.glob("*.key"))) or "none"
            raise ValueError(
                f"there is no PKOC phone {name}: make it with `hubsim pkoc new`; there: {there}"
            )
        return _key(path)

    def phone_made(self, name: str) -> int:
        """Return when a phone's key was made, in UNIX seconds."""
        return int(self._phone(name).stat().st_mtime)

    def known(self) -> KnownSite:
        """Return what a phone knows of the site: its readers, and what proves them.

        Where one reader signs by the site's key, that key proves all: apps of 1.x know no other.
        """
        locations: set[bytes] = set()
        by_site = False
        for hub in self.site.hub_names():
            section = self.site.hub_folder(hub) / PKOC_SECTION
            if section.exists():
                config = load(self.site.hub_folder(hub) / "hub.toml")
                if config.pkoc is not None:
                    locations.add(config.pkoc.location.bytes)
                    by_site = by_site or config.pkoc.signs_as == "site"
        return KnownSite(
            site=self.id(),
            locations=frozenset(locations),
            issuer=None if by_site else self.issuer().public_key(),
            site_key=self.key_of_all().public_key() if by_site else None,
        )

    def _phone(self, name: str) -> Path:
        return self.folder / "phones" / f"{name}.key"


def _key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key in a file; make one when there is none yet."""
    if not path.exists():
        path.parent.mkdir(exist_ok=True, mode=0o700)
        write_private(path, _pem(ec.generate_private_key(ec.SECP256R1())))
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path}: this is no EC key")
    return key


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
