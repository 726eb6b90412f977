"""The issuer's key behind a passphrase, the name of one in a token, and `hubissuer keys`."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from hubcore.codec import cbor
from hubcore.codec.tls import pem_of
from hubcore.codec.tlsauthority import begin_authority
from hubcore.errors import ConfigError, StoreError
from hubgateway.issuer.__main__ import hubissuer
from hubgateway.issuer.holding import files, tokenuri
from hubgateway.issuer.holding.secrets import ask, from_file
from hubsim.site.documents import make_key, pem

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[3]
PASSPHRASE = "correct horse battery"
FEW = 1 << 10


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "issuer.key"
    file.write_bytes(pem(make_key()))
    file.chmod(0o600)
    return file


def test_a_passphrase_is_stretched_by_scrypt_as_the_law_says(key_file: Path) -> None:
    """holding.files, law 1: the rounds stand in the file, in DER"""
    key = files.read_plain("key", key_file.read_bytes())
    locked = files.write_locked(key.private, PASSPHRASE)
    assert files.SCRYPT_N >= 1 << 17
    body = b"".join(locked.splitlines()[1:-1])
    document = base64.b64decode(body)
    scrypt = bytes.fromhex("06092b06010401da47040b")
    costs = document.split(scrypt)[1][2 + 18 :]
    assert costs.startswith(bytes.fromhex("0203020000" + "020108" + "020101" + "020120"))
    assert files.read_locked("key", locked, PASSPHRASE).cose_key == key.cose_key


def test_openssl_reads_what_is_written(key_file: Path, tmp_path: Path) -> None:
    """by the reader of Python's own TLS, with as many rounds as that takes"""
    key = files.read_plain("key", key_file.read_bytes())
    locked = tmp_path / "locked.pem"
    locked.write_bytes(files.write_locked(key.private, PASSPHRASE, 1 << 14))
    certificate = tmp_path / "certificate.pem"
    certificate.write_bytes(pem_of(begin_authority("acme", key, 1_700_000_000).document))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_cert_chain(certificate, locked, PASSPHRASE)  # it compares both keys
    with pytest.raises(ssl.SSLError):
        context.load_cert_chain(certificate, locked, "another")


def test_what_other_programs_have_encrypted_is_read(key_file: Path) -> None:
    key = files.read_plain("key", key_file.read_bytes())
    other = key.private.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
    )
    assert files.is_locked("key", other)
    assert files.read_locked("key", other, "word").cose_key == key.cose_key


@pytest.mark.parametrize("damage", [b"", b"no key", b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n"])
def test_what_is_no_key_is_refused(damage: bytes) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        files.is_locked("issuer_key", damage)


def test_a_key_of_another_curve_is_refused() -> None:
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(ConfigError, match="P-256"):
        files.read_locked("key", files.write_locked(other, PASSPHRASE, FEW), PASSPHRASE)


def test_a_file_is_locked_once_and_keeps_its_key(key_file: Path) -> None:
    before = files.read_plain("key", key_file.read_bytes())
    with pytest.raises(ConfigError, match="12 characters"):
        files.lock_file(key_file, "short", FEW)
    assert not files.is_locked("key", key_file.read_bytes())
    files.lock_file(key_file, PASSPHRASE, FEW)
    locked = key_file.read_bytes()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert files.read_locked("key", locked, PASSPHRASE).cose_key == before.cose_key
    with pytest.raises(ConfigError, match="already"):
        files.lock_file(key_file, PASSPHRASE, FEW)
    assert key_file.read_bytes() == locked


def test_a_key_that_others_read_is_not_locked(key_file: Path) -> None:
    key_file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod o="):
        files.lock_file(key_file, PASSPHRASE, FEW)


def test_where_nothing_can_be_written_the_key_stays(key_file: Path) -> None:
    """holding.files, law 2"""
    before = key_file.read_bytes()
    unfinished = key_file.with_name(f".{key_file.name}.{os.getpid()}.unfinished")
    unfinished.mkdir()
    with pytest.raises(StoreError, match="nothing is changed"):
        files.lock_file(key_file, PASSPHRASE, FEW)
    assert key_file.read_bytes() == before


def test_a_uri_names_token_key_and_library() -> None:
    uri = tokenuri.read("x", "pkcs11:token=a%20b;id=%01%ff;type=private?module-path=/lib/p.so")
    assert (uri.token, uri.id, uri.label, str(uri.module)) == (
        "a b",
        b"\x01\xff",
        None,
        "/lib/p.so",
    )


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("pkcs11:token=a;object=b", "module-path"),
        ("pkcs11:token=a;object=b?module-path=lib.so", "from / on"),
        ("pkcs11:object=b?module-path=/l", "names a token"),
        ("pkcs11:token=a?module-path=/l", "object"),
        ("pkcs11:token=a;token=b;object=c?module-path=/l", "twice"),
        ("pkcs11:token=a;object=b;slot-id=1?module-path=/l", "not known here"),
        ("pkcs11:token=;object=b?module-path=/l", "not known here"),
        ("pkcs11:token=a;object=b?module-path=/l&pin-value=1", "PIN"),
        ("pkcs11:token=a;object=b?module-path=/l&pin-source=file:x", "PIN"),
        ("pkcs11:token=a;object=b;type=public?module-path=/l", "private"),
        ("pkcs11:token=%ff;object=b?module-path=/l", "no text"),
        ("pkcs11:token=a;object=" + "b" * 1024, "1024"),
    ],
)
def test_a_uri_that_is_wrong_is_refused(uri: str, why: str) -> None:
    """holding.tokenuri, laws 1 to 4"""
    with pytest.raises(ConfigError, match=why):
        tokenuri.read("issuer_key", uri)


@pytest.mark.parametrize("data", [b"", b"\n", b"two\nlines", b"\xff", b"x" * 2000])
def test_a_secret_is_one_line(tmp_path: Path, data: bytes) -> None:
    """holding.secrets, law 1"""
    file = tmp_path / "pin"
    file.write_bytes(data)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match="issuer_secret"):
        from_file("pin", file, "issuer_secret")
    file.write_bytes("grün\n".encode())
    assert from_file("pin", file, "issuer_secret") == "grün"
    file.chmod(0o604)
    with pytest.raises(ConfigError, match="others may use it"):
        from_file("pin", file, "issuer_secret")


def test_without_a_person_the_missing_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """holding.secrets, law 2"""
    with open(os.devnull) as nobody:
        monkeypatch.setattr(sys, "stdin", nobody)
        with pytest.raises(ConfigError, match="name its file: issuer_secret"):
            ask("PIN of issuer_key", "issuer_secret")


def keys(*words: str | Path, typed: str = "") -> Result:
    return CliRunner().invoke(hubissuer, ["keys", *map(str, words)], input=typed)


def test_the_commands_show_lock_and_prove(key_file: Path, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.cbor"
    issuer.write_bytes(cbor.encode(files.read_plain("", key_file.read_bytes()).cose_key))
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    secret.chmod(0o600)
    shown = keys("show", key_file)
    assert shown.output == f"{key_file}: file\n"
    proven = keys("prove", key_file, "--issuer", issuer)
    assert "it signs, key id " in proven.output
    locked = keys("lock", key_file, "--secret", secret)
    assert "file behind a passphrase; it signs" in locked.output, locked.output
    assert keys("show", key_file).output == f"{key_file}: file behind a passphrase\n"
    again = keys("prove", key_file, "--issuer", issuer, "--secret", secret)
    assert again.output.rpartition(" ")[2] == proven.output.rpartition(" ")[2]


def test_a_key_that_is_not_the_issuers_is_told(key_file: Path, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.cbor"
    issuer.write_bytes(cbor.encode(make_key().cose_key))
    assert "not with the key of" in str(keys("prove", key_file, "--issuer", issuer).exception)
    issuer.write_bytes(b"\xa0")
    assert "no public key" in str(keys("prove", key_file, "--issuer", issuer).exception)


def test_a_site_works_with_a_locked_key(key_file: Path, tmp_path: Path) -> None:
    """its file is named in the configuration, and so is that of the passphrase"""
    argv = [sys.executable, "-m", "hubgateway.issuer"]
    folder = tmp_path / "site"
    subprocess.run([*argv, "init", str(folder), "--site", "acme"], check=True, cwd=ROOT)
    config = folder / "hubissuer.toml"
    files.lock_file(folder / "issuer.key", PASSPHRASE, FEW)
    asked = subprocess.run(
        [*argv, "--config", str(config), "list"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (asked.returncode, "name its file: issuer_secret" in asked.stderr) == (78, True)
