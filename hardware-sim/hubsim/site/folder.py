"""The folder of a site: its keys and documents, its hubs, its backend and its phones.

    SITE/issuer.key  issuer.cbor  authority.key  authority.pem  policy.cbor  site.json
    SITE/hub/      hub.toml identity.key certificate.cbor issuer.cbor curve.secret backend.pub
                   beacon.key tls.key tls.pem authority.pem
    SITE/hubs/HUB/ the same for each further hub; of one that was enrolled only the certificates,
                   certificate.cbor and tls.pem
    SITE/backend/  curve.secret curve.pub hubs/HUB.curve.pub policy.cbor
                   certificates/HUB.cbor certificates/HUB.der
    SITE/bridges/NAME/ tls.key tls.pem authority.pem
    SITE/phones/NAME/  phone.key grant.cbor site.cbor beacon.key caches.cbor

Laws:
1. Only their owner may read private files.
2. The keys of issuer and authority never leave SITE.
3. No schedule is published that could never hold.
4. A grant never replaces one that could still open a door.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hubcore.access import revocations
from hubcore.access.grant import Access, read_grant
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, VerifyKey, read_key
from hubcore.errors import HubError
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubcore.policy import document as policies
from hubcore.policy.policy import Policy
from hubsim.phone import wallet
from hubsim.phone.wallet import Wallet
from hubsim.site.documents import Validity, make_grant, make_key, read_ec_key
from hubsim.weekly import refuse_never

DESK = Path("desk")
"""The folder of the usual site."""
DEFAULT_BACKEND = "tcp://127.0.0.1:8871"
FIRST_OPERATOR = "operator-7"
"""Who may order everything at a new site."""

_CREDENTIAL_BYTES = 8


@dataclass(frozen=True, slots=True)
class Site:
    """A site that is there."""

    path: Path

    @property
    def name(self) -> str:
        """The site's id."""
        return str(self._about["site"])

    @property
    def first_hub(self) -> str:
        """The id of the hub that the site was made with."""
        return str(self._about["hub"])

    @property
    def endpoint(self) -> str:
        """Where the desk's backend listens."""
        return str(self._about.get("backend", DEFAULT_BACKEND))

    @property
    def _about(self) -> dict[str, Any]:
        text = (self.path / "site.json").read_text()
        about: dict[str, Any] = json.loads(text)
        return about

    @property
    def hub(self) -> Path:
        """The first hub's folder."""
        return self.path / "hub"

    @property
    def backend(self) -> Path:
        """The backend's folder."""
        return self.path / "backend"

    @property
    def issuer(self) -> SigningKey:
        """The issuer's key."""
        return read_ec_key(self.path / "issuer.key")

    @property
    def verifier(self) -> VerifyKey:
        """The issuer's public key."""
        document = (self.path / "issuer.cbor").read_bytes()
        return read_key(cbor.decode(document))

    @property
    def beacon_key(self) -> bytes | None:
        """The key by which hubs and phones know each other from afar; None without one."""
        path = self.hub / "beacon.key"
        return path.read_bytes() if path.exists() else None

    # The hubs.

    def hub_names(self) -> tuple[str, ...]:
        """The ids of all hubs that have a certificate, the first one first."""
        certificates = self.path.glob("hubs/*/certificate.cbor")
        more = sorted(path.parent.name for path in certificates)
        has_first = (self.hub / "certificate.cbor").exists()
        return (self.first_hub, *more) if has_first else tuple(more)

    def hub_folder(self, hub: str) -> Path:
        """The folder of a hub. Raise ValueError when the site has no such hub."""
        if hub == self.first_hub:
            return self.hub
        if hub not in self.hub_names():
            there = ", ".join(self.hub_names())
            raise ValueError(
                f"there is no hub {hub!r}; there are {there}; `hubsim site certify` makes another"
            )
        return self.path / "hubs" / hub

    def certificate(self, hub: str) -> HubCertificate:
        """The certificate that a hub has now. Raise ValueError when it has none."""
        file = self.hub_folder(hub) / "certificate.cbor"
        if not file.exists():
            raise ValueError(f"hub {hub} has no certificate: enrol it (`hubsim backend enrol`)")
        document = file.read_bytes()
        return read_hub_certificate(document, self.verifier)

    def hub_of(self, access_point: int) -> str | None:
        """The hub that serves an access point, None when none does."""
        for hub in self.hub_names():
            if access_point in self.certificate(hub).access_points:
                return hub
        return None

    # The policy.

    def policy(self) -> Policy:
        """The newest policy."""
        document = (self.path / "policy.cbor").read_bytes()
        return policies.read(document, self.verifier, self.name)

    def publish(self, new: Policy) -> None:
        """Sign a policy and put it where the backend finds it.

        Raise ValueError for a rule that never holds.
        """
        for schedule in new.schedules.values():
            refuse_never(schedule.rules)
        document = policies.issue(new, self.issuer)
        (self.path / "policy.cbor").write_bytes(document)
        unfinished = self.backend / "policy.cbor.new"
        unfinished.write_bytes(document)
        unfinished.replace(self.backend / "policy.cbor")

    def change(self, **changes: object) -> Policy:
        """Publish the next policy, with these fields of it changed, and return it.

        Raise ValueError for a rule that never holds.
        """
        old = self.policy()
        version = old.version + 1
        issued_at = int(time.time())
        new: Policy = replace(old, version=version, issued_at=issued_at, **changes)  # type: ignore[arg-type]
        self.publish(new)
        return new

    def revoke(self, *credentials: str) -> Policy:
        """Revoke credentials in a new policy, published."""
        revoked = self.policy().revoked_credentials | set(credentials)
        new = self.change(revoked_credentials=revoked)
        self._list_revocations(new, credentials)
        return new

    def _list_revocations(self, policy: Policy, credentials: Sequence[str]) -> None:
        """Sign the list of the newest revocations, which phones fetch and carry to hubs."""
        kept = self.path / wallet.REVOCATIONS
        earlier: Sequence[str] = ()
        if kept.exists():
            earlier = revocations.read(kept.read_bytes(), self.verifier, self.name).credentials
        newest_first = [*credentials, *(one for one in earlier if one not in credentials)]
        document = revocations.issue(
            self.name, policy.version, policy.issued_at, newest_first, self.issuer
        )
        kept.write_bytes(document)

    # The phones.

    def phone(self, name: str) -> Path:
        """The folder of a phone."""
        return self.path / "phones" / name

    def credential(self, name: str) -> str:
        """The opaque id of a phone's credential."""
        return (self.phone(name) / "credential").read_text()

    def grant(
        self,
        name: str,
        access: Sequence[Access],
        validity: Validity | None = None,
        kind: str = "ES256",
        uses: int | None = None,
    ) -> Path:
        """Make a phone with a key and a grant; its credential is an opaque id that is not its name.

        Raise ValueError for a name whose grant is not revoked: nobody could revoke it afterwards.
        """
        self._refuse_second_grant(name)
        key = make_key(kind)
        credential = secrets.token_hex(_CREDENTIAL_BYTES)
        document = make_grant(
            self.issuer,
            site=self.name,
            credential=credential,
            key=key,
            access=access,
            validity=validity,
            uses=uses,
        )
        made = Wallet(
            site=self.name,
            issuer=self.verifier,
            key=key,
            grant=document,
            beacon_key=self.beacon_key,
        )
        folder = self.phone(name)
        wallet.save(made, folder)
        (folder / "credential").write_text(credential)
        return folder

    def _refuse_second_grant(self, name: str) -> None:
        if not (self.phone(name) / "credential").is_file():
            return
        credential = self.credential(name)
        if credential in self.policy().revoked_credentials:
            return
        raise ValueError(
            f"{name} has a grant already (credential {credential}, {self._until(name)}): revoke it "
            f"first (hubsim site{at(self.path)} revoke {name}), or choose another name"
        )

    def _until(self, name: str) -> str:
        try:
            document = (self.phone(name) / "grant.cbor").read_bytes()
            grant = read_grant(document, self.verifier, self.name)
        except (OSError, HubError):
            return "its end cannot be read"
        return f"until {datetime.fromtimestamp(grant.expires, UTC):%Y-%m-%d %H:%M} UTC"


def at(path: Path) -> str:
    """Return what a command must say to mean a site's folder: nothing for the usual one."""
    return "" if path == DESK else f" --at {path}"


def write_public(path: Path, data: bytes) -> None:
    """Write a file that everybody may read and only its owner may write, whatever the umask."""
    path.write_bytes(data)
    path.chmod(0o644)


def keep_out_of_git(folder: Path) -> None:
    """Hide the private keys in a folder from a repository around it."""
    write_public(folder / ".gitignore", b"*\n")
