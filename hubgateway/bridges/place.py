"""Where bridges come at this gateway, as its configuration says; checked before the start."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import TlsRole
from hubcore.errors import ConfigError
from hubgateway.config import Bridges, place_of
from hubtls.identity import Identity, IdentityFiles, load_identity
from hubtls.keys import read_issuer, read_signing_key


@dataclass(frozen=True, slots=True)
class BridgesPlace:
    """What a port for bridges begins with."""

    address: str
    port: int
    identity: Identity
    issuer: VerifyKey
    receipts: SigningKey

    @property
    def site(self) -> str:
        """The site."""
        return self.identity.name.site


def bridges_place(section: Bridges, config_file: Path) -> BridgesPlace:
    """Read what the section names. Raise ConfigError."""
    files = IdentityFiles(
        key=place_of(section.tls_key, config_file),
        certificate=place_of(section.tls_certificate, config_file),
        authority=place_of(section.tls_authority, config_file),
    )
    try:
        ipaddress.ip_address(section.listen.partition("%")[0])
    except ValueError as error:
        raise ConfigError(f"bridges.listen: {section.listen!r} is no IP address") from error
    return BridgesPlace(
        address=section.listen,
        port=section.port,
        identity=load_identity(section.site, TlsRole.BACKEND, section.name, files),
        issuer=read_issuer(place_of(section.issuer, config_file)),
        receipts=read_signing_key(place_of(section.receipts_key, config_file)),
    )
