"""What the issuer's key keeps wherever it lies: one suite for each kind of place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hubcore.codec.cose import ES256, SigningKey
from hubcore.codec.tls import TlsName, TlsRole, public_der, read_certificate
from hubcore.codec.tlsauthority import begin_authority, certify
from hubcore.errors import ConfigError
from hubcore.policy import document
from hubcore.policy.policy import Policy
from hubgateway.issuer.holding import files
from hubgateway.issuer.holding.kinds import HeldKey, KeyKind, kind_of, open_key
from hubsim.site.documents import make_key, pem
from tests.softhsm import PIN, softhsm

PASSPHRASE = "correct horse battery"
NOW = 1_800_000_000
FEW_ROUNDS = 1 << 10
"""Of scrypt: what is tried here is the same for few and for many."""


@dataclass(frozen=True)
class Place:
    """A key that lies somewhere: how it is named, its secret, and the same key in memory."""

    kind: KeyKind
    named: str
    secret: str
    config: Path
    original: SigningKey

    def open(self, secret: str | None = None) -> HeldKey:
        given = self.secret if secret is None else secret
        return open_key("issuer_key", self.named, self.config, lambda _: given)


def in_file(folder: Path) -> Iterator[Place]:
    key = make_key()
    file = folder / "issuer.key"
    file.write_bytes(pem(key))
    file.chmod(0o600)
    yield Place(KeyKind.FILE, "issuer.key", "", folder / "hubissuer.toml", key)


def behind_passphrase(folder: Path) -> Iterator[Place]:
    (plain,) = in_file(folder)
    files.lock_file(folder / "issuer.key", PASSPHRASE, FEW_ROUNDS)
    yield Place(KeyKind.LOCKED, plain.named, PASSPHRASE, plain.config, plain.original)


def in_token(folder: Path) -> Iterator[Place]:
    with softhsm(folder) as there:
        from hubgateway.issuer.holding import tokenkeys, tokenuri

        key = make_key()
        tokenkeys.put_key(tokenuri.read("test", there.uri()), PIN, key.private)
        there.let_go()
        yield Place(KeyKind.TOKEN, there.uri(), PIN, folder / "hubissuer.toml", key)


@pytest.fixture(params=[in_file, behind_passphrase, in_token], ids=["file", "locked", "token"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    made: Callable[[Path], Iterator[Place]] = request.param
    yield from made(tmp_path)


def test_its_kind_is_known_without_a_secret(place: Place) -> None:
    assert kind_of("issuer_key", place.named, place.config) is place.kind


def test_it_is_the_key_that_was_put_there(place: Place) -> None:
    held = place.open()
    assert held.kind is place.kind
    assert held.key.alg == ES256
    assert held.key.cose_key == place.original.cose_key


def test_it_signs_as_cose_has_it(place: Place) -> None:
    key = place.open().key
    for data in (b"", b"a", bytes(100_000)):
        signature = key.sign(data)
        assert len(signature) == 64
        place.original.verify_key.verify(signature, data)


def test_two_that_are_open_sign_both(place: Place) -> None:
    first = place.open().key
    second = place.open().key
    for key in (first, second, first):
        place.original.verify_key.verify(key.sign(b"data"), b"data")


def test_hubs_believe_what_it_signs(place: Place) -> None:
    signed = document.issue(Policy("acme", 7, NOW), place.open().key)
    assert document.read(signed, place.original.verify_key, "acme").version == 7


def test_it_can_be_a_tls_authority(place: Place) -> None:
    authority = begin_authority("acme", place.open().key, NOW)
    name = TlsName("acme", TlsRole.HUB, "hub-1")
    public = public_der(make_key().private.public_key())
    made = certify(authority, name, public, NOW, NOW + 1000)
    assert read_certificate(made, authority.document, name).key == public


def test_a_wrong_secret_opens_nothing(place: Place) -> None:
    if place.kind is KeyKind.FILE:
        assert place.open("it is not asked for").kind is KeyKind.FILE
        return
    with pytest.raises(ConfigError, match=r"cannot be read|refuses the PIN"):
        place.open("a wrong one")
    place.original.verify_key.verify(place.open().key.sign(b"data"), b"data")
