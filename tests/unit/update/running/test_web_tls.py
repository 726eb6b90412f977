"""A server as a carrier over TLS: whom a hub believes, and what it shows of itself."""

from __future__ import annotations

import http.server
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hubcore.errors import ConfigError, LinkError
from hubupdate.carrier import Carrier
from hubupdate.config import carriers_of, load

PATH = "images/metadata/timestamp.json"
BODY = bytes(range(256)) * 500
NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Authority:
    """Who signs certificates; its files lie in `folder`."""

    folder: Path
    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, folder: Path, name: str) -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(name, key, name, key, is_authority=True)
        made = cls(folder, name, key, certificate)
        made.write(name, key, certificate)
        return made

    def issue(self, name: str) -> None:
        """Write NAME.pem and NAME.key, for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        self.write(name, key, _signed(name, key, self.name, self.key, is_authority=False))

    def write(
        self, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
    ) -> None:
        pem = serialization.Encoding.PEM
        (self.folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        (self.folder / f"{name}.key").write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    by: str,
    signer: ec.EllipticCurvePrivateKey,
    *,
    is_authority: bool,
) -> x509.Certificate:
    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(by))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()),
            critical=False,
        )
        .add_extension(_usage(is_authority), critical=True)
        .sign(signer, hashes.SHA256())
    )


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


class TlsServer(http.server.ThreadingHTTPServer):
    """A handshake that fails is the peer's affair: it says nothing."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@dataclass(frozen=True)
class Site:
    """A server that asks for a certificate of its authority, and a hub's file beside it."""

    folder: Path
    port: int

    def carrier(self, **part: str) -> Carrier:
        lines = [f'url = "https://127.0.0.1:{self.port}"']
        lines += [f'{name} = "{value}"' for name, value in part.items()]
        file = self.folder / "hubupdate.toml"
        head = 'hub = "h"\ntime_zone = "UTC"\n[[carriers]]\n'
        file.write_text(head + "\n".join(lines) + "\n")
        (made,) = carriers_of(load(file), file)
        return made


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    ours = Authority.make(tmp_path, "ours")
    ours.issue("server")
    ours.issue("hub")
    Authority.make(tmp_path, "theirs").issue("stranger")
    top = tmp_path / "top"
    (top / PATH).parent.mkdir(parents=True)
    (top / PATH).write_bytes(BODY)
    server = TlsServer(("127.0.0.1", 0), partial(Quiet, directory=str(top)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "ours.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Site(tmp_path, server.server_port)
    finally:
        server.shutdown()
        server.server_close()


HUB = {"certificate": "hub.pem", "key": "hub.key"}


def test_a_hub_and_a_server_of_one_authority_know_each_other(site: Site) -> None:
    carrier = site.carrier(authority="ours.pem", **HUB)
    assert b"".join(carrier.pieces(PATH)) == BODY


@pytest.mark.parametrize(
    "part",
    [
        {"authority": "theirs.pem", **HUB},
        dict(HUB),
        {"authority": "ours.pem"},
        {"authority": "ours.pem", "certificate": "stranger.pem", "key": "stranger.key"},
    ],
    ids=["another authority", "the system's", "no certificate", "a stranger's"],
)
def test_who_does_not_prove_himself_gets_and_gives_nothing(
    site: Site, part: dict[str, str]
) -> None:
    with pytest.raises(LinkError):
        list(site.carrier(**part).pieces(PATH))


def test_a_key_of_another_certificate_is_refused_at_the_start(site: Site) -> None:
    with pytest.raises(ConfigError):
        site.carrier(authority="ours.pem", certificate="hub.pem", key="stranger.key")
