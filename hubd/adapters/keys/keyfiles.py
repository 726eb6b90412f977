"""The hub's keys, read from files once at the start, each checked to be the right key for this hub.

Laws:
1. A private key that others may read, and any file that others may write, refuses the start. A file
   that systemd hands over is guarded by systemd.
2. Every refusal names the file and the exact remedy. Of a file that systemd hands over it names the
   installer's own (`KeyFile.place`).
3. No sentence and no repr shows a key.
4. The check and the read are of one open file: nothing can be swapped between them.
5. Validity in time is not judged here: a hub with an expired certificate starts and says so.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import TlsInForce, TlsName, TlsRole
from hubcore.errors import ConfigError, PeerError, TrustError
from hubcore.phone import beacon
from hubcore.phone.beacon import Beacon
from hubcore.phone.certificates import CertificateInForce, HubCertificate, read_hub_certificate
from hubd.adapters.keys.pkockeys import (
    WANTED_PKOC_CERTIFICATE,
    WANTED_PKOC_KEY,
    PkocKeys,
    checked_pkoc,
)
from hubd.adapters.keys.readerkeys import (
    WANTED_CARD_KEY,
    WANTED_READER_KEY,
    ReaderKey,
    ReaderKeys,
    checked_card_key,
    checked_reader_key,
)
from hubd.adapters.keys.renewed import RENEWED, RenewedCertificate, renewed_tls
from hubd.adapters.keys.tlskeys import (
    WANTED_TLS_AUTHORITY,
    WANTED_TLS_CERTIFICATE,
    WANTED_TLS_KEY,
    checked_tls,
)
from hubd.adapters.keys.uplinkkeys import UplinkKeys, key_from_text, public_of
from hubd.config.file import Config
from hubd.config.keys import KeyFile

KEY_FILE_BYTES_MAX = 8192
SERVER_KEYS_MAX = 2
"""The backend's key, and the one that it is to have next."""

WANTED = {
    "identity": "an EC P-256 private key, PEM (PKCS#8), without a passphrase",
    "certificate": "the hub's certificate, raw CBOR",
    "issuer": "the site issuer's public COSE_Key, raw CBOR",
    "curve_secret": "the hub's CurveZMQ secret key, 40 characters of Z85",
    "backend_public": (
        "the backend's CurveZMQ public key, 40 characters of Z85; and its next one on a second "
        "line while it changes"
    ),
    "beacon": f"the site's beacon key, {beacon.KEY_BYTES} raw bytes",
    "card_key": WANTED_CARD_KEY,
    "tls_key": WANTED_TLS_KEY,
    "tls_certificate": WANTED_TLS_CERTIFICATE,
    "tls_authority": WANTED_TLS_AUTHORITY,
    "pkoc_key": WANTED_PKOC_KEY,
    "pkoc_certificate": WANTED_PKOC_CERTIFICATE,
}


@dataclass(frozen=True, slots=True)
class HubKeys:
    """What the hub can prove and whom it believes.

    `certified` and `issuer_key` are the parsed forms of the bytes. `in_force` is the certificate
    that phones get: the installer's, or a newer one that came over the uplink.
    """

    identity: ec.EllipticCurvePrivateKey = field(repr=False)
    certificate: bytes
    certified: HubCertificate
    in_force: CertificateInForce
    issuer: bytes
    issuer_key: VerifyKey
    uplink: UplinkKeys | None
    """None for a hub without a backend."""
    readers: ReaderKeys | None = None
    """None for a hub without readers beside the phones."""
    tls: TlsInForce | None = None
    """None for a hub without a TLS identity."""
    tls_key: ec.EllipticCurvePrivateKey | None = field(default=None, repr=False)
    """The private key of that identity."""
    pkoc: PkocKeys | None = None
    """None for a hub without [pkoc]."""


def wanted(name: str) -> str:
    """Say what a key is: one of [keys], or the key of a reader (`Osdp.key_files`)."""
    return WANTED.get(name, WANTED_READER_KEY)


def _shown(name: str) -> str:
    """Return how a sentence names the key of the file that is meant."""
    return f"key keys.{name}" if name in WANTED else name


def load_keys(config: Config) -> HubKeys:
    """Read every key that `config.keys` names.

    Raise ConfigError for the first that is not what it must be.
    """
    keys = config.keys
    identity = _private_key("identity", keys.identity)
    issuer = _read("issuer", keys.issuer)
    issuer_key = _issuer(keys.issuer.place, issuer)
    certificate = _read("certificate", keys.certificate)
    certified = _certificate(keys.certificate.place, certificate, issuer_key)
    _check_belongs(config, certified, identity)
    tls_key = _tls_key(config)
    return HubKeys(
        identity=identity,
        certificate=certificate,
        certified=certified,
        in_force=_in_force(config, certificate, certified, issuer_key),
        issuer=issuer,
        issuer_key=issuer_key,
        uplink=_uplink(config),
        readers=_readers(config),
        tls=_tls(config, tls_key),
        tls_key=tls_key,
        pkoc=_pkoc(config),
    )


def _in_force(
    config: Config, document: bytes, certified: HubCertificate, issuer: VerifyKey
) -> CertificateInForce:
    """Return the newer certificate of the state directory, else the installer's.

    The newer one proves itself, or it does not count. Either must be for the access points of all
    doors. Whether it is valid now is not judged here. Raise ConfigError.
    """
    installed = CertificateInForce(document, certified)
    newest = CertificateInForce(document, certified)
    renewed = RenewedCertificate(config.hub.state_directory).found()
    if renewed is not None:
        with suppress(TrustError):
            newest.renew(renewed, newest.newer(renewed, issuer, points=()))
    points = [point.number for door in config.doors for point in door.access_points]
    for one in (newest, installed):
        if set(points) <= set(one.certified.access_points):
            return one
    place = config.keys.certificate.place
    if newest.document != document:
        place = str(config.hub.state_directory / RENEWED)
    missing = next(point for point in points if point not in newest.certified.access_points)
    raise ConfigError(
        f"{place}: this certificate does not cover access point {missing}, "
        "phones would refuse the hub there; take it out of [[doors.access_points]], "
        f"or have the issuer certify it: hubsim backend renew {config.hub.id} "
        f"--access-point {missing}"
    )


def load_beacon(config: Config) -> Beacon | None:
    """Read what the hub advertises its site with, None when it is not to. Raise ConfigError."""
    file = config.keys.beacon
    if file is None:
        return None
    key = _read("beacon", file, private=True)
    if len(key) != beacon.KEY_BYTES:
        raise ConfigError(f"{file.place}: expected {WANTED['beacon']}, found {len(key)}")
    return Beacon(key, config.radio.company, config.radio.rotate_seconds)


def _read(name: str, file: KeyFile, private: bool = False) -> bytes:
    """Return the bytes of one key file, at most KEY_FILE_BYTES_MAX. Raise ConfigError."""
    path = file.path
    place = file.place
    try:
        data = _read_checked(name, file, private)
    except FileNotFoundError as error:
        raise ConfigError(
            f"{place}: there is no such file ({_shown(name)}); {remedy_for_missing(name, file)}"
        ) from error
    except PermissionError as error:
        remedy = f"chown it to the user that hubd runs as (uid {os.geteuid()}) and chmod 600 {path}"
        raise ConfigError(f"{place}: hubd may not read it ({_shown(name)}); {remedy}") from error
    except OSError as error:
        raise ConfigError(f"{place}: cannot be read ({_shown(name)}): {error.strerror}") from error
    if not data:
        raise ConfigError(f"{place}: expected {wanted(name)}, found an empty file")
    if len(data) > KEY_FILE_BYTES_MAX:
        found = f"more than {KEY_FILE_BYTES_MAX} bytes"
        raise ConfigError(f"{place}: expected {wanted(name)}, found {found}")
    return data


def _read_checked(name: str, file: KeyFile, private: bool) -> bytes:
    """Return the beginning of a file whose rights are as they must be.

    Raise ConfigError or OSError.
    """
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    descriptor = os.open(file.path, flags)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(
                f"{file.place}: expected {wanted(name)}, found something that is no regular file"
            )
        if file.credential:
            pass  # systemd guards it
        elif private:
            _check_guarded(file.path, status)
        else:
            _check_unforged(name, file.path, status)
        return stream.read(KEY_FILE_BYTES_MAX + 1)


def remedy_for_missing(name: str, file: KeyFile) -> str:
    """Say how a key that is not there gets there."""
    if not file.credential:
        return f"put {wanted(name)} there"
    if file.sealed:
        return f"{seal_command(file)}, where FILE is {wanted(name)}"
    return (
        f"put {wanted(name)} there, owned by root, mode 600 "
        f"(LoadCredential={file.path.name} of hubd.service)"
    )


def seal_command(file: KeyFile, plain: str = "FILE") -> str:
    """Return the command that makes a sealed credential of a plain file."""
    return f"type: sudo systemd-creds encrypt --name={file.path.name} {plain} {file.place}"


def _check_guarded(path: Path, status: os.stat_result) -> None:
    """Refuse a private key that any other user may read, write or make readable."""
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            f"{path}: a private key that others may touch (mode {mode:03o}); type: chmod 600 {path}"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path}: a private key that belongs to another user (uid {status.st_uid}); "
            f"type: chown {os.geteuid()} {path}"
        )


def _check_unforged(name: str, path: Path, status: os.stat_result) -> None:
    """Refuse a public file that any other user may replace.

    Whoever writes the issuer's key opens every door.
    """
    if status.st_mode & 0o022:
        mode = stat.S_IMODE(status.st_mode)
        raise ConfigError(
            f"{path}: others may write it (mode {mode:03o}), so it proves nothing "
            f"({_shown(name)}); type: chmod go-w {path}"
        )
    if status.st_uid not in (0, os.geteuid()):
        raise ConfigError(
            f"{path}: it belongs to another user (uid {status.st_uid}), so it proves nothing "
            f"({_shown(name)}); type: chown {os.geteuid()} {path}"
        )


def _private_key(name: str, file: KeyFile) -> ec.EllipticCurvePrivateKey:
    data = _read(name, file, private=True)
    expected = f"{file.place}: expected {WANTED[name]}"
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise ConfigError(
            f"{expected}, found one with a passphrase; decrypt it: openssl pkcs8 -in FILE"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{expected}, found none") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        kind = type(key).__name__.removesuffix("PrivateKey")
        raise ConfigError(f"{expected}, found a key of another type ({kind})")
    if not isinstance(key.curve, ec.SECP256R1):
        raise ConfigError(f"{expected}, found one on the curve {key.curve.name}")
    return key


def _issuer(path: str, data: bytes) -> VerifyKey:
    try:
        return cose.read_key(cbor.decode(data))
    except PeerError as error:
        raise ConfigError(f"{path}: expected {WANTED['issuer']}, found none: {error}") from error


def _certificate(path: str, data: bytes, issuer: VerifyKey) -> HubCertificate:
    try:
        return read_hub_certificate(data, issuer)
    except PeerError as error:
        expected = f"{WANTED['certificate']}, signed by the key of keys.issuer"
        raise ConfigError(f"{path}: expected {expected}, found none: {error}") from error


def _check_belongs(
    config: Config,
    certified: HubCertificate,
    identity: ec.EllipticCurvePrivateKey,
) -> None:
    """Check that the certificate is for this hub, site and identity. Raise ConfigError."""
    path = config.keys.certificate.place
    hub = config.hub
    if certified.hub != hub.id or certified.site != hub.site:
        raise ConfigError(
            f"{path}: a certificate for hub {certified.hub!r} of site {certified.site!r}, but the "
            f"configuration says hub.id {hub.id!r} and hub.site {hub.site!r}; correct one of them"
        )
    if certified.key.kid != SigningKey(identity).verify_key.kid:
        raise ConfigError(
            f"{path}: this certificate is for another private key than "
            f"{config.keys.identity.place}; put the two files there that were made together"
        )


def _uplink(config: Config) -> UplinkKeys | None:
    secret_file = config.keys.curve_secret
    backend_file = config.keys.backend_public
    if config.backend is None or secret_file is None or backend_file is None:
        return None
    (secret,) = _curve_keys("curve_secret", secret_file, 1, private=True)
    public = public_of(secret)
    pinned = _curve_keys("backend_public", backend_file, SERVER_KEYS_MAX)
    if public in pinned:
        raise ConfigError(
            f"{backend_file.place}: expected {WANTED['backend_public']}, "
            "found this hub's own public key"
        )
    next_backend = pinned[1] if len(pinned) > 1 else None
    return UplinkKeys(
        secret=secret,
        public=public,
        backend=pinned[0],
        next_backend=next_backend,
    )


def _tls_key(config: Config) -> ec.EllipticCurvePrivateKey | None:
    """Read the key of the TLS identity, None without one. Raise ConfigError."""
    files = config.keys.tls_files
    return None if files is None else _private_key("tls_key", files[0])


def _tls(config: Config, own: ec.EllipticCurvePrivateKey | None) -> TlsInForce | None:
    """Read the TLS identity, None without one. Raise ConfigError."""
    files = config.keys.tls_files
    if files is None or own is None:
        return None
    key, certificate, authority = files
    try:
        name = TlsName(config.hub.site, TlsRole.HUB, config.hub.id)
    except TrustError as error:
        raise ConfigError(f"{certificate.place}: {error}") from error
    return checked_tls(
        name=name,
        key=own,
        certificate=_read("tls_certificate", certificate),
        authority=_read("tls_authority", authority),
        places=(key.place, certificate.place, authority.place),
        renewed=renewed_tls(config.hub.state_directory).found(),
    )


def _readers(config: Config) -> ReaderKeys | None:
    """Read the card key and the readers' keys. Raise ConfigError."""
    file = config.keys.card_key
    if not config.readers or file is None:
        return None
    card_key = _card_key(file)
    readers: dict[str, ReaderKey] = {}
    for reader in config.readers:
        own: dict[str, bytes] = {}
        for member, (name, key_file) in reader.key_files().items():
            data = _read(name, key_file, private=True)
            own[member] = checked_reader_key(key_file.place, data)
        readers[reader.id] = ReaderKey(**own)
    return ReaderKeys(card_key, readers)


def _card_key(file: KeyFile) -> bytes:
    data = _read("card_key", file, private=True)
    return checked_card_key(file.place, data)


def _pkoc(config: Config) -> PkocKeys | None:
    """Read the keys of the PKOC reader, None without one. Raise ConfigError."""
    section = config.pkoc
    key_file = config.keys.pkoc_key
    card_file = config.keys.card_key
    if section is None or key_file is None or card_file is None:
        return None
    certificate_file = config.keys.pkoc_certificate
    certificate = None
    if certificate_file is not None:
        certificate = _read("pkoc_certificate", certificate_file)
    return checked_pkoc(
        section,
        key=_private_key("pkoc_key", key_file),
        card_key=_card_key(card_file),
        certificate=certificate,
        places=(key_file.place, "" if certificate_file is None else certificate_file.place),
    )


def _curve_keys(name: str, file: KeyFile, most: int, private: bool = False) -> list[bytes]:
    """Return the keys of a file, one a line, at least one. Raise ConfigError."""
    data = _read(name, file, private)
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError(
            f"{file.place}: expected {wanted(name)}, found bytes that are no text"
        ) from None
    lines = text.split() or [""]
    if len(lines) > most:
        raise ConfigError(f"{file.place}: expected {wanted(name)}, found {len(lines)} of them")
    try:
        keys = [key_from_text(line) for line in lines]
    except ConfigError as error:
        raise ConfigError(f"{file.place}: expected {wanted(name)}: {error}") from None
    return list(dict.fromkeys(keys))
