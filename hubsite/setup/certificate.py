"""The certificate that browsers see: the installer's own, or one to try.

Laws:
1. A key and a certificate that do not belong together are refused, and nothing is made. So is one
   that browsers refuse for this host at this moment.
2. What is there is kept. Another pair than that is refused: a newer one is copied over it by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import load_pem_x509_certificates

from hubcore.errors import ConfigError
from hubsite.certificate.judging import first_of, wrong_with
from hubsite.commands.trial import certificate_for, new_key
from hubsite.setup import places
from hubsite.setup.disk import SECRET, Disk


@dataclass(frozen=True, slots=True)
class Given:
    """The installer's own files, each None where he named none; or one is made, to try."""

    certificate: Path | None = None
    key: Path | None = None
    is_trial: bool = False


def have_certificate(disk: Disk, host: str, given: Given, now: int) -> None:
    """Have a certificate for `host`; `now` in Unix seconds. Raise ConfigError, StoreError."""
    pair = _typed(given)
    certificate = disk.read(places.TLS_CERTIFICATE, follows=True)
    key = disk.read(places.TLS_KEY)
    if pair is not None and (key or pair[0], certificate or pair[1]) != pair:
        raise ConfigError(
            f"{disk.at(places.TLS_CERTIFICATE)} is there, with another certificate or key: copy "
            "the newer ones over both by hand; no restart is needed"
        )
    if key is not None:
        disk.hand_over(places.TLS_KEY, places.SERVER_USER)
    if key is not None and certificate is not None:
        return
    if pair is None and (certificate is not None or not given.is_trial):
        raise ConfigError(
            f"a certificate for {host} is wanted: --certificate FILE --key FILE, both PEM, the "
            f"first with its chain; or put them to {disk.at(places.TLS_CERTIFICATE)} and "
            f"{disk.at(places.TLS_KEY)}; or --trial for one that no browser believes"
        )
    own_key, own = pair or (b"", b"")
    if own:
        _check(given, own, host, now)
    key = disk.keep(places.TLS_KEY, lambda: own_key or new_key(), SECRET, places.SERVER_USER)
    made = own or _to_try(disk, key, host, now)
    disk.keep(places.TLS_CERTIFICATE, lambda: made)


def _check(given: Given, certificate: bytes, host: str, now: int) -> None:
    """Refuse what browsers refuse. Raise ConfigError (law 1)."""
    wrong = wrong_with(first_of(certificate), [host], datetime.fromtimestamp(now, UTC))
    if wrong:
        raise ConfigError(
            f"browsers would refuse {given.certificate} for --host {host}: {wrong}. Nothing was "
            "made: name another one, or another host, or set the clock (timedatectl)"
        )


def _to_try(disk: Disk, key: bytes, host: str, now: int) -> bytes:
    try:
        return certificate_for(key, host, now)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{disk.at(places.TLS_KEY)}: {error}") from error


def _typed(given: Given) -> tuple[bytes, bytes] | None:
    """Read what the installer named, key first; None for nothing. Raise ConfigError (law 1)."""
    if given.certificate is None and given.key is None:
        return None
    if given.certificate is None or given.key is None:
        raise ConfigError("--certificate and --key belong together")
    try:
        certificate = given.certificate.read_bytes()
        key = given.key.read_bytes()
    except OSError as error:
        raise ConfigError(f"{error.filename}: {error.strerror}") from error
    try:
        public = load_pem_private_key(key, None).public_key()
        first = load_pem_x509_certificates(certificate)[0].public_key()
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{given.certificate}, {given.key}: {error}") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if public.public_bytes(*form) != first.public_bytes(*form):
        raise ConfigError(f"{given.key} is not the key of the first one in {given.certificate}")
    return key, certificate
