"""Where new hubs come at this gateway, as its configuration says; checked before the start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import zmq
from zmq.utils import z85

from hubcore.backend.enrolment.messages import BEACON_BYTES, CARD_KEY_BYTES
from hubcore.backend.enrolment.ofsite import OfSite
from hubcore.codec import cbor, cose
from hubcore.errors import ConfigError, PeerError
from hubgateway.authority import tls_authority
from hubgateway.config import (
    Enrolment,
    place_of,
    public_file,
    secret_file,
    secret_key,
)

ISSUER_BYTES_MAX = 512
EVERYWHERE = ("*", "0.0.0.0", "[::]")  # noqa: S104, compared with what the file says


@dataclass(frozen=True, slots=True)
class Place:
    """`secret` is the enrolment key in Z85; the port after `port` is taken, too."""

    host: str
    port: int
    secret: bytes
    of_site: OfSite

    @property
    def public(self) -> str:
        """The public enrolment key, by which tokens know the backend; in Z85."""
        return zmq.curve_public(self.secret).decode("ascii")


def place(section: Enrolment, config_file: Path, server_secret: bytes) -> Place:
    """Read what the section names. Raise ConfigError."""
    host, _, port = section.listen.removeprefix("tcp://").rpartition(":")
    keys = [z85.decode(zmq.curve_public(server_secret))]
    if section.next_server_key:
        keys.append(z85.decode(section.next_server_key.encode("ascii")))
    of_site = OfSite(
        site=section.site,
        issuer=_issuer(section, config_file),
        tls_authority=tls_authority(section.tls_authority, config_file),
        endpoints=section.endpoints,
        server_keys=tuple(keys),
        beacon=_key(section.beacon_key, config_file, "beacon_key", BEACON_BYTES),
        card_key=_key(section.card_key, config_file, "card_key", CARD_KEY_BYTES),
    )
    secret = secret_key(section.secret, config_file, "enrolment.secret")
    if secret == server_secret:
        raise ConfigError(
            "hubgateway: enrolment.secret: it is the key of curve_secret; tokens need one that "
            "is for them alone: hubissuer init makes it"
        )
    return Place(
        host="" if host in EVERYWHERE else host.strip("[]"),
        port=0 if port == "*" else int(port),
        secret=secret,
        of_site=of_site,
    )


def _issuer(section: Enrolment, config_file: Path) -> bytes:
    path = place_of(section.issuer, config_file)
    data = public_file(path, "enrolment.issuer")
    try:
        if len(data) > ISSUER_BYTES_MAX:
            raise ConfigError(f"hubgateway: enrolment.issuer {path}: it is too long")
        cose.read_key(cbor.decode(data))
    except PeerError as error:
        raise ConfigError(
            f"hubgateway: enrolment.issuer {path}: it is no public key of an issuer: {error}"
        ) from error
    return data


def _key(named: str, config_file: Path, key: str, size: int) -> bytes:
    """Read a key of the site, b"" where it has none."""
    if not named:
        return b""
    data = secret_file(named, config_file, f"enrolment.{key}")
    if len(data) != size:
        raise ConfigError(f"hubgateway: enrolment.{key}: it has {len(data)} bytes, not {size}")
    return data
