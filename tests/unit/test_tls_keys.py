"""The TLS identity of a hub as files: what a start refuses, and what a certificate must be."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from hubcore.backend.uplink.words import MAX_TLS_CERTIFICATE_BYTES
from hubcore.codec.tls import (
    CERTIFICATE_BYTES_MAX,
    REQUEST_BYTES_MAX,
    TlsInForce,
    TlsName,
    TlsRole,
    der_of,
    make_request,
    pem_of,
    public_der,
    read_authority,
    read_certificate,
    read_public,
    read_request,
)
from hubcore.codec.tlsauthority import AUTHORITY_SECONDS, begin_authority, certify
from hubcore.errors import ConfigError, ExpiredError, HubError, SignatureError, TrustError
from hubd.adapters.keys.renewed import RENEWED_TLS
from hubsim.site.authority import public_of
from hubsim.site.documents import make_key, pem
from tests.newhub import Signer
from tests.unit.test_keyfiles import TEXT, Site

NAME = TlsName("site-1", TlsRole.HUB, "hub-1")
BEGINS = 1_800_000_000
ENDS = BEGINS + 30_000_000
AUTHORITY = begin_authority("site-1", make_key(), BEGINS - 1000)
OTHER = Signer("site-1", begins=BEGINS - 1000).authority
KEY = make_key()
TLS_TEXT = TEXT.replace(
    'issuer = "issuer",',
    'issuer = "issuer", tls_key = "tls_key", tls_certificate = "tls_certificate", '
    'tls_authority = "tls_authority",',
)


def signed(begins: int = BEGINS, name: TlsName = NAME, key: bytes | None = None) -> bytes:
    return certify(AUTHORITY, name, key or public_of(KEY), begins, ENDS)


class TlsSite(Site):
    """A hub's files with those for TLS, right until a test makes one wrong."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.state = directory / "state"
        self.state.mkdir()
        self.text = TLS_TEXT
        self.write("tls_key", pem(KEY))
        self.write("tls_certificate", pem_of(signed()), 0o644)
        self.write("tls_authority", pem_of(AUTHORITY.document), 0o644)

    def identity_in_force(self) -> TlsInForce:
        """What a start finds."""
        tls = self.load(self.state).tls
        assert tls is not None
        return tls


@pytest.fixture
def site(tmp_path: Path) -> TlsSite:
    return TlsSite(tmp_path)


def test_the_right_identity_is_read(site: TlsSite) -> None:
    tls = site.identity_in_force()
    assert tls.name == NAME
    assert tls.certified.document == signed_of(site)
    assert (tls.certified.not_before, tls.certified.expires) == (BEGINS, ENDS)
    assert tls.certified.key == public_of(KEY)


def signed_of(site: TlsSite) -> bytes:
    return der_of((site.directory / "tls_certificate").read_bytes())


def test_a_hub_without_one_has_none(tmp_path: Path) -> None:
    assert Site(tmp_path).load().tls is None


@pytest.mark.parametrize("name", ["tls_key", "tls_certificate", "tls_authority"])
def test_its_three_files_go_together(site: TlsSite, name: str) -> None:
    site.text = site.text.replace(f'{name} = "{name}", ', "")
    with pytest.raises(ConfigError, match=rf"keys\.{name}.*go together"):
        site.load()


@pytest.mark.parametrize("name", ["tls_key", "tls_certificate", "tls_authority"])
def test_a_missing_file_is_named(site: TlsSite, name: str) -> None:
    (site.directory / name).unlink()
    assert "there is no such file" in site.refused(name)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o601])
def test_others_may_not_touch_the_key(site: TlsSite, mode: int) -> None:
    (site.directory / "tls_key").chmod(mode)
    assert "a private key that others may touch" in site.refused("tls_key")


@pytest.mark.parametrize("name", ["tls_certificate", "tls_authority"])
def test_others_may_not_write_whom_the_hub_believes(site: TlsSite, name: str) -> None:
    (site.directory / name).chmod(0o646)
    assert "it proves nothing" in site.refused(name)


@pytest.mark.parametrize(
    ("file", "data", "part"),
    [
        ("tls_key", b"no key", "the hub's TLS key"),
        ("tls_key", pem(make_key("PS256")), "another type"),
        ("tls_authority", b"", "found an empty file"),
        ("tls_authority", b"-----BEGIN CERTIFICATE-----\n", "no single certificate"),
        ("tls_certificate", b"no certificate", "no single certificate"),
        ("tls_certificate", 2 * pem_of(signed()), "no single certificate"),
        ("tls_certificate", pem_of(OTHER.document), "not a client's certificate"),
        ("tls_authority", pem_of(OTHER.document), ""),
        ("tls_authority", pem_of(signed()), ""),
        (
            "tls_certificate",
            pem_of(signed(name=TlsName("site-1", TlsRole.HUB, "hub-2"))),
            "is not for spiffe://site-1/hub/hub-1 alone",
        ),
        ("tls_certificate", pem_of(signed(key=public_of(make_key()))), "another private key than"),
    ],
)
def test_what_does_not_belong_together_is_told_by_its_file(
    site: TlsSite, file: str, data: bytes, part: str
) -> None:
    """tlskeys, law 1"""
    site.write(file, data)
    told_of = "tls_certificate" if not part else file
    assert part in site.refused(told_of)


def test_a_newer_one_in_the_state_counts_if_it_proves_itself(site: TlsSite) -> None:
    """tlskeys, law 2"""
    newer = signed(begins=BEGINS + 5)
    renewed = site.state / RENEWED_TLS
    renewed.write_bytes(pem_of(newer))
    assert site.identity_in_force().certified.document == newer
    for other in (
        pem_of(signed(begins=BEGINS - 5)),
        pem_of(signed(key=public_of(make_key()))),
        pem_of(OTHER.document),
        b"",
        b"\xff" * 100_000,
    ):
        renewed.write_bytes(other)
        assert site.identity_in_force().certified.document == signed_of(site)
    renewed.unlink()
    renewed.mkdir()
    assert site.identity_in_force().certified.document == signed_of(site)


# What a certificate must be.


@dataclass
class Odd:
    """A certificate by the right authority that is not as it ought to be."""

    names: Sequence[x509.GeneralName] = field(
        default_factory=lambda: (x509.UniformResourceIdentifier(NAME.uri), x509.DNSName(NAME.dns))
    )
    uses: Sequence[x509.ObjectIdentifier] = (ExtendedKeyUsageOID.CLIENT_AUTH,)
    ca: bool = False
    key: Callable[[], ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey] = lambda: (
        ec.generate_private_key(ec.SECP256R1())
    )

    def document(self) -> bytes:
        root = read_authority(AUTHORITY.document)
        begins = datetime.datetime.fromtimestamp(BEGINS, datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd")]))
            .issuer_name(root.subject)
            .public_key(self.key().public_key())
            .serial_number(1)
            .not_valid_before(begins)
            .not_valid_after(begins + datetime.timedelta(days=9))
            .add_extension(x509.BasicConstraints(self.ca, None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(self.uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(self.names), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        made = builder.sign(AUTHORITY.key.private, hashes.SHA256())
        return made.public_bytes(Encoding.DER)


URI = x509.UniformResourceIdentifier(NAME.uri)
DNS = x509.DNSName(NAME.dns)


def test_one_that_is_as_it_ought_to_be_is_taken() -> None:
    assert read_certificate(Odd().document(), AUTHORITY.document, NAME).not_before == BEGINS


@pytest.mark.parametrize(
    "odd",
    [
        Odd(names=[URI]),
        Odd(names=[DNS]),
        Odd(names=[URI, DNS, x509.DNSName("bridge-1.bridge.site-1")]),
        Odd(names=[URI, DNS, x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]),
        Odd(names=[URI, x509.DNSName("hub-1.hub.site-2")]),
        Odd(names=[x509.UniformResourceIdentifier("spiffe://site-2/hub/hub-1"), DNS]),
        Odd(uses=[ExtendedKeyUsageOID.SERVER_AUTH]),
        Odd(ca=True),
        Odd(key=lambda: ec.generate_private_key(ec.SECP384R1())),
        Odd(key=lambda: rsa.generate_private_key(65537, 2048)),
    ],
    ids=[
        "no DNS name",
        "no URI",
        "a bridge's name, too",
        "an address",
        "DNS name of another site",
        "URI of another site",
        "a server alone",
        "an authority",
        "P-384",
        "RSA",
    ],
)
def test_one_that_is_not_is_refused(odd: Odd) -> None:
    """tls, laws 1 and 2"""
    with pytest.raises(TrustError):
        read_certificate(odd.document(), AUTHORITY.document, NAME)


def test_the_authority_says_itself_what_it_may_sign() -> None:
    """tlsauthority, laws 1 and 2"""
    root = read_authority(AUTHORITY.document)
    basic = root.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    names = root.extensions.get_extension_for_class(x509.NameConstraints)
    assert names.critical
    assert names.value.permitted_subtrees == [x509.DNSName("site-1")]
    assert {str(one.value) for one in names.value.excluded_subtrees or ()} == {"0.0.0.0/0", "::/0"}


def test_what_an_authority_signs_ends_before_itself() -> None:
    """tlsauthority, law 3"""
    ends = BEGINS - 1000 + AUTHORITY_SECONDS
    late = certify(AUTHORITY, NAME, public_of(KEY), ends - 10, ends + 1000)
    assert read_certificate(late, AUTHORITY.document, NAME).expires == ends
    with pytest.raises(ExpiredError):
        certify(AUTHORITY, NAME, public_of(KEY), ends + 1, ends + 1000)


ids = st.from_regex(r"\A(?!-)[a-z0-9-]{1,32}(?<!-)\Z")


@given(ids, ids, st.sampled_from(TlsRole))
def test_every_name_that_may_be_given_is_proven_and_no_other(
    site: str, name: str, role: TlsRole
) -> None:
    authority = begin_authority(site, KEY, BEGINS)
    own = TlsName(site, role, name)
    document = certify(authority, own, public_of(KEY), BEGINS, ENDS)
    assert read_certificate(document, authority.document, own).key == public_of(KEY)
    others = [TlsName(site, other_role, name) for other_role in set(TlsRole) - {role}]
    for other in (*others, TlsName(site, role, f"{name[:31]}x")):
        if other != own:
            with pytest.raises(TrustError):
                read_certificate(document, authority.document, other)


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a.b", "a b", "a" * 33, "ä", "a\n"])
def test_what_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(TrustError):
        TlsName("site-1", TlsRole.HUB, text)
    with pytest.raises(TrustError):
        begin_authority(text, KEY, BEGINS)


# Hostile bytes.

REQUEST = make_request(KEY, b"this")
READERS: list[Callable[[bytes], object]] = [
    read_authority,
    read_public,
    der_of,
    lambda data: read_certificate(data, AUTHORITY.document, NAME),
    lambda data: read_request(data, b"this"),
]
SEEDS = [AUTHORITY.document, signed(), REQUEST, pem_of(signed()), public_of(KEY)]


@given(st.sampled_from(READERS), st.binary(max_size=200))
def test_any_bytes_are_refused_by_one_error(read: Callable[[bytes], object], data: bytes) -> None:
    """tls, law 4"""
    with pytest.raises(HubError):
        read(data)


@pytest.mark.filterwarnings("ignore")
@given(
    st.sampled_from(READERS),
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_changed_bytes_are_refused_or_read(
    read: Callable[[bytes], object], seed: bytes, changes: list[tuple[int, int]]
) -> None:
    """tls, law 4"""
    data = bytearray(seed)
    for at, value in changes:
        data[at % len(data)] = value
    try:
        read(bytes(data))
    except HubError:
        return


def test_what_is_too_long_is_not_read() -> None:
    """tls, law 4"""
    assert CERTIFICATE_BYTES_MAX == MAX_TLS_CERTIFICATE_BYTES
    with pytest.raises(SignatureError, match="at most"):
        read_authority(bytes(CERTIFICATE_BYTES_MAX + 1))
    with pytest.raises(HubError, match="at most"):
        read_request(bytes(REQUEST_BYTES_MAX + 1), b"this")


def test_a_request_is_for_one_use() -> None:
    """tls, law 3"""
    assert read_request(REQUEST, b"this") == public_der(KEY.private.public_key())
    with pytest.raises(HubError, match="for this enrolment"):
        read_request(REQUEST, b"that")
