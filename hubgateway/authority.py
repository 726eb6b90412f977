"""The certificate of the site's TLS authority, as a file beside a configuration."""

from __future__ import annotations

from pathlib import Path

from hubcore.codec import tls
from hubcore.errors import ConfigError, TrustError
from hubgateway.config import place_of, public_file


def tls_authority(named: str, config_file: Path) -> bytes:
    """Read the certificate of the site's TLS authority (PEM), as DER. Raise ConfigError."""
    path = place_of(named, config_file)
    try:
        document = tls.der_of(public_file(path, "tls_authority"))
        tls.read_authority(document)
    except TrustError as error:
        raise ConfigError(f"hubgateway: tls_authority {path}: {error}") from error
    return document
