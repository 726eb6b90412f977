"""The hub's keys: the right ones are read, and each wrong one is told by its file and the
remedy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import zmq
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError
from hubcore.phone.beacon import Beacon
from hubcore.phone.certificates import HubCertificate, issue_hub_certificate
from hubd.adapters.keys.keyfiles import KEY_FILE_BYTES_MAX, HubKeys, load_beacon, load_keys
from hubd.adapters.keys.renewed import RENEWED
from hubd.config import file as config
from hubd.config.file import Config

CURVE_PUBLIC, CURVE_SECRET = zmq.curve_keypair()
BACKEND_PUBLIC, _ = zmq.curve_keypair()

TEXT = """
hub = { id = "hub-1", site = "site-1", time_zone = "UTC" }
keys = { identity = "identity", certificate = "certificate", issuer = "issuer", \
curve_secret = "curve_secret", \
backend_public = "backend_public" }
backend = { endpoint = "tcp://127.0.0.1:4505" }
[[doors]]
id = "front"
name = "Front door"
strike = { chip = "gpiochip0", line = 17 }
access_points = [{ number = 1, name = "in" }, { number = 2, name = "out" }]
"""


def _pem(key: Any, passphrase: bytes | None = None) -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    return pem


class Site:
    """A directory with every file of a hub, right until a test makes one wrong."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.text = TEXT
        self.issuer = SigningKey(ec.generate_private_key(ec.SECP256R1()))
        self.identity = ec.generate_private_key(ec.SECP256R1())
        self.write("identity", _pem(self.identity))
        self.write("issuer", cbor.encode(self.issuer.cose_key))
        self.write("certificate", self.certificate())
        self.write("curve_secret", CURVE_SECRET + b"\n")
        self.write("backend_public", BACKEND_PUBLIC + b"\n", 0o644)

    def certificate(
        self,
        hub: str = "hub-1",
        points: tuple[int, ...] = (1, 2),
        by: SigningKey | None = None,
        key: Any = None,
        begins: int = 1_800_000_000,
    ) -> bytes:
        own = SigningKey(key or self.identity)
        certificate = HubCertificate(
            "site-1", hub, begins, begins + 30_000_000, own.verify_key, points
        )
        return issue_hub_certificate(by or self.issuer, certificate, own.cose_key)

    def write(self, name: str, data: bytes, mode: int = 0o600) -> Path:
        path = self.directory / name
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(mode)
        return path

    def config(self, text: str = TEXT) -> Config:
        return config.parse(
            text, self.directory / "hubd.toml", {"CREDENTIALS_DIRECTORY": str(self.directory)}
        )

    def load(self, state: Path | None = None) -> HubKeys:
        where = f', state_directory = "{state}" }}' if state else " }"
        return load_keys(self.config(self.text.replace(" }", where, 1)))

    def refused(self, file: str) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load()
        assert str(caught.value).startswith(f"{self.directory / file}: ")
        return str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_right_keys_are_read(site: Site) -> None:
    keys = site.load()
    assert keys.identity.private_numbers() == site.identity.private_numbers()
    assert keys.certificate == (site.directory / "certificate").read_bytes()
    assert keys.issuer == cbor.encode(site.issuer.cose_key)
    assert keys.issuer_key == site.issuer.verify_key
    assert (keys.certified.hub, keys.certified.access_points) == ("hub-1", (1, 2))
    assert keys.uplink is not None
    z85 = zmq.utils.z85
    assert z85.encode(keys.uplink.secret) == CURVE_SECRET
    assert z85.encode(keys.uplink.public) == CURVE_PUBLIC
    assert z85.encode(keys.uplink.backend) == BACKEND_PUBLIC
    assert keys.uplink.backends == (keys.uplink.backend,)


def test_the_backends_next_key_stands_on_a_second_line(site: Site) -> None:
    following = zmq.curve_keypair()[0]
    site.write("backend_public", BACKEND_PUBLIC + b"\n" + following + b"\n", 0o644)
    keys = site.load().uplink
    assert keys is not None
    assert [zmq.utils.z85.encode(key) for key in keys.backends] == [BACKEND_PUBLIC, following]


def test_the_same_key_twice_is_one(site: Site) -> None:
    site.write("backend_public", BACKEND_PUBLIC + b"\n" + BACKEND_PUBLIC, 0o644)
    keys = site.load().uplink
    assert keys is not None
    assert len(keys.backends) == 1


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([BACKEND_PUBLIC] * 3, "found 3 of them"),
        ([BACKEND_PUBLIC, b"short"], "40 characters of Z85"),
        ([BACKEND_PUBLIC, CURVE_PUBLIC], "found this hub's own public key"),
    ],
)
def test_wrong_pinned_keys_are_refused(site: Site, lines: list[bytes], said: str) -> None:
    site.write("backend_public", b"\n".join(lines), 0o644)
    assert said in site.refused("backend_public")


def test_the_hub_has_one_secret(site: Site) -> None:
    site.write("curve_secret", CURVE_SECRET + b"\n" + CURVE_SECRET)
    assert "found 2 of them" in site.refused("curve_secret")


def test_a_newer_certificate_in_the_state_directory_counts_if_it_proves_itself(site: Site) -> None:
    """renewed, law 2"""
    state = site.directory / "state"
    state.mkdir()
    text = TEXT.replace('"UTC" }', '"UTC", state_directory = "state" }')
    newer = site.certificate(points=(1, 2, 3))
    for found, counts in (
        (newer, True),
        (b"damaged", False),
        (site.certificate(points=(1, 2, 3), hub="hub-2"), False),
        (site.certificate(points=(1, 3)), False),
        (site.certificate(by=SigningKey(ec.generate_private_key(ec.SECP256R1()))), False),
    ):
        (state / "certificate.cbor").write_bytes(found)
        keys = load_keys(site.config(text))
        assert keys.in_force.document == (found if counts else keys.certificate)


def test_no_repr_shows_a_private_key(site: Site) -> None:
    shown = repr(site.load())
    assert "identity" not in shown
    assert "secret" not in shown
    assert repr(zmq.utils.z85.decode(CURVE_SECRET)) not in shown


def test_without_a_backend_no_link_keys_are_wanted(site: Site) -> None:
    (site.directory / "curve_secret").unlink()
    without = "\n".join(line for line in TEXT.splitlines() if not line.startswith("backend ="))
    assert load_keys(site.config(without)).uplink is None


@pytest.mark.parametrize(
    "name", ["identity", "certificate", "issuer", "curve_secret", "backend_public"]
)
def test_a_missing_file(site: Site, name: str) -> None:
    (site.directory / name).unlink()
    assert f"there is no such file (key keys.{name}); put " in site.refused(name)


@pytest.mark.parametrize("name", ["identity", "curve_secret"])
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_private_key_that_others_may_touch(site: Site, name: str, mode: int) -> None:
    path = site.directory / name
    path.chmod(mode)
    assert site.refused(name).endswith(f"(mode {mode:03o}); type: chmod 600 {path}")


@pytest.mark.parametrize("name", ["certificate", "issuer", "backend_public"])
def test_public_files_may_be_readable_for_all(site: Site, name: str) -> None:
    (site.directory / name).chmod(0o644)
    site.load()


@pytest.mark.parametrize("name", ["certificate", "issuer", "backend_public"])
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o620])
def test_a_public_file_that_others_may_write(site: Site, name: str, mode: int) -> None:
    path = site.directory / name
    path.chmod(mode)
    assert site.refused(name).endswith(
        f"others may write it (mode {mode:03o}), so it proves nothing (key keys.{name}); "
        f"type: chmod go-w {path}"
    )
    load_keys(site.config(TEXT.replace(f'"{name}"', f'"credential:{name}"')))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("name", ["certificate", "issuer", "backend_public"])
def test_a_public_file_of_another_user(site: Site, name: str) -> None:
    path = site.directory / name
    os.chown(path, 4711, 4711)
    assert site.refused(name).endswith(f"(key keys.{name}); type: chown 0 {path}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_private_key_of_another_user(site: Site) -> None:
    path = site.directory / "identity"
    os.chown(path, 4711, 4711)
    assert site.refused("identity").endswith(f"(uid 4711); type: chown 0 {path}")


def test_a_credential_of_systemd_is_guarded_by_systemd(site: Site) -> None:
    (site.directory / "identity").chmod(0o440)
    load_keys(site.config(TEXT.replace('"identity"', '"credential:identity"')))
    (site.directory / "identity").unlink()
    with pytest.raises(ConfigError) as caught:
        load_keys(site.config(TEXT.replace('"identity"', '"credential:identity"')))
    sentence = str(caught.value)
    assert sentence.startswith(
        "/etc/credstore/hubd.identity: there is no such file (key keys.identity); put an EC P-256"
    )
    assert "LoadCredential=identity" in sentence


def test_a_sealed_credential_that_is_missing_is_to_be_sealed_and_never_put_down_plain(
    site: Site,
) -> None:
    (site.directory / "identity").unlink()
    environment = {
        "CREDENTIALS_DIRECTORY": str(site.directory),
        "HUBD_SEALED_KEYS": "identity:curve_secret:beacon",
    }
    text = TEXT.replace('"identity"', '"credential:identity"')
    with pytest.raises(ConfigError) as caught:
        load_keys(config.parse(text, site.directory / "hubd.toml", environment))
    sentence = str(caught.value)
    assert (
        "sudo systemd-creds encrypt --name=identity FILE /etc/credstore.encrypted/hubd.identity"
        in sentence
    )
    assert "/etc/credstore/" not in sentence


@pytest.mark.parametrize(
    "name", ["identity", "issuer", "certificate", "curve_secret", "backend_public"]
)
def test_a_wrong_credential_is_told_by_the_file_that_the_installer_can_open(
    site: Site, name: str
) -> None:
    site.write(name, b"no key")
    with pytest.raises(ConfigError) as caught:
        load_keys(site.config(TEXT.replace(f'"{name}"', f'"credential:{name}"')))
    assert str(caught.value).startswith(f"/etc/credstore/hubd.{name}: expected ")
    assert str(site.directory) not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "found"),
    [
        (b"\x30\x82garbage", "found none"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "found none"),
        (b"", "found an empty file"),
        (b"x" * (KEY_FILE_BYTES_MAX + 1), f"found more than {KEY_FILE_BYTES_MAX} bytes"),
        (_pem(ec.generate_private_key(ec.SECP384R1())), "found one on the curve secp384r1"),
        (_pem(rsa.generate_private_key(65537, 2048)), "found a key of another type (RSA)"),
        (_pem(ec.generate_private_key(ec.SECP256R1()), b"secret"), "found one with a passphrase"),
    ],
    ids=["der", "pem", "empty", "long", "curve", "rsa", "passphrase"],
)
def test_an_identity_that_is_none(site: Site, key: bytes, found: str) -> None:
    site.write("identity", key)
    sentence = site.refused("identity")
    assert "expected an EC P-256 private key, PEM (PKCS#8), without a passphrase" in sentence
    assert found in sentence


def test_an_issuer_that_is_none(site: Site) -> None:
    site.write("issuer", _pem(site.identity))
    assert "expected the site issuer's public COSE_Key, raw CBOR, found none: CBOR" in site.refused(
        "issuer"
    )
    site.write("issuer", cbor.encode({**site.issuer.cose_key, -2: bytes(31)}))
    assert "found none: key: a P-256 coordinate has 32 bytes" in site.refused("issuer")


def test_a_certificate_that_is_none_or_of_others(site: Site) -> None:
    site.write("certificate", b"\xd2\x84")
    assert (
        "expected the hub's certificate, raw CBOR, signed by the key of keys.issuer"
        in site.refused("certificate")
    )
    other = SigningKey(ec.generate_private_key(ec.SECP256R1()))
    site.write("certificate", site.certificate(by=other))
    assert "found none" in site.refused("certificate")
    site.write("certificate", site.certificate(hub="hub-2"))
    assert (
        "for hub 'hub-2' of site 'site-1', but the configuration says hub.id 'hub-1'"
        in site.refused("certificate")
    )
    site.write("certificate", site.certificate(key=ec.generate_private_key(ec.SECP256R1())))
    assert f"for another private key than {site.directory / 'identity'}" in site.refused(
        "certificate"
    )
    site.write("certificate", site.certificate(points=(1,)))
    assert "does not cover access point 2" in site.refused("certificate")


def test_a_door_more_needs_only_the_newer_certificate_that_came_from_the_backend(
    site: Site,
) -> None:
    site.write("certificate", site.certificate(points=(1,)))
    newer = site.certificate(begins=1_800_000_001)
    site.write(RENEWED, newer)
    keys = site.load(state=site.directory)
    assert (keys.in_force.document, keys.in_force.certified.access_points) == (newer, (1, 2))


def test_a_door_that_no_certificate_covers_is_told_by_the_newest(site: Site) -> None:
    site.write("certificate", site.certificate(points=(2,)))
    site.write(RENEWED, site.certificate(points=(1, 3), begins=1_800_000_001))
    with pytest.raises(ConfigError) as caught:
        site.load(state=site.directory)
    said = str(caught.value)
    assert said.startswith(f"{site.directory / RENEWED}: this certificate does not cover ")
    assert said.endswith(": hubsim backend renew hub-1 --access-point 2")


@pytest.mark.parametrize("name", ["curve_secret", "backend_public"])
@pytest.mark.parametrize("data", [b"short", b"\xff" * 40, b'"' * 40, b"#" * 40, b"x" * 41])
def test_curve_keys_that_are_none(site: Site, name: str, data: bytes) -> None:
    site.write(name, data)
    assert "40 characters of Z85" in site.refused(name)


def test_the_own_public_key_is_not_the_backends(site: Site) -> None:
    site.write("backend_public", CURVE_PUBLIC)
    assert site.refused("backend_public").endswith("found this hub's own public key")


def test_what_is_no_file(site: Site) -> None:
    (site.directory / "identity").unlink()
    (site.directory / "identity").mkdir(mode=0o700)
    assert "cannot be read (key keys.identity): Is a directory" in site.refused("identity")
    (site.directory / "identity").rmdir()
    os.mkfifo(site.directory / "identity", 0o600)
    assert "no regular file" in site.refused("identity")


def test_a_hub_without_a_beacon_key_shows_no_tag(site: Site) -> None:
    assert load_beacon(site.config()) is None


def test_the_beacon_key_is_sixteen_bytes_and_private(site: Site) -> None:
    text = TEXT.replace("backend_public =", 'beacon = "beacon", backend_public =')
    made = config.parse(
        text + "\n[radio]\ncompany = 7\nrotate_seconds = 60\n", site.directory / "hubd.toml"
    )
    site.write("beacon", bytes(range(16)))
    assert load_beacon(made) == Beacon(bytes(range(16)), 7, 60)
    (site.directory / "beacon").chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_beacon(made)
    for wrong in (bytes(15), bytes(17)):
        site.write("beacon", wrong)
        with pytest.raises(ConfigError, match=f"beacon key, 16 raw bytes, found {len(wrong)}"):
            load_beacon(made)
