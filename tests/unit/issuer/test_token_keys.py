"""A key in a PKCS#11 token: made there, put there, pulled out, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hubcore.codec import cbor, cose
from hubcore.codec.cose import SigningKey
from hubcore.errors import ConfigError, HardwareError
from hubcore.issuing.messages import Ask
from hubcore.issuing.words import Refusal, RefusedError
from hubcore.policy import document
from hubgateway.issuer.__main__ import hubissuer
from hubgateway.issuer.holding import tokenuri
from hubgateway.issuer.signing.log import read_log
from hubgateway.issuer.signing.signer import LOG
from hubsim.site.documents import make_key, pem
from tests.softhsm import PIN, Token, softhsm
from tests.unit.issuer.issuingdesk import brought, policy
from tests.unit.issuer.signingplace import make_signer

pytestmark = pytest.mark.once


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Token]:
    with softhsm(tmp_path / "hsm") as token:
        yield token


@pytest.fixture
def pin_file(tmp_path: Path) -> Path:
    file = tmp_path / "pin"
    file.write_text(PIN + "\n")
    file.chmod(0o600)
    return file


def _keys(*words: str | Path) -> Result:
    return CliRunner().invoke(hubissuer, ["keys", *map(str, words)])


def test_a_key_is_made_in_the_token_and_signs(there: Token, pin_file: Path, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer.cbor"
    made = _keys("make", there.uri(), "--secret", pin_file, "--out", issuer)
    assert "PKCS#11 token; it signs" in made.output, (made.output, made.exception)
    there.let_go()
    proven = _keys("prove", there.uri(), "--secret", pin_file, "--issuer", issuer)
    assert proven.exit_code == 0
    kid = cose.read_key(cbor.decode(issuer.read_bytes())).kid.hex()
    assert proven.output.endswith(f"key id {kid}\n")
    assert _keys("show", there.uri()).output.endswith(": PKCS#11 token\n")
    again = _keys("make", there.uri(), "--secret", pin_file, "--out", tmp_path / "other")
    assert "such a key already" in str(again.exception)
    assert not (tmp_path / "other").exists()
    assert "File exists" in str(
        _keys("make", there.uri("b"), "--secret", pin_file, "--out", issuer).exception
    )


def test_a_key_of_a_file_is_put_into_the_token(
    there: Token, pin_file: Path, tmp_path: Path
) -> None:
    key = make_key()
    file = tmp_path / "issuer.key"
    file.write_bytes(pem(key))
    file.chmod(0o600)
    put = _keys("put", file, there.uri(), "--secret", pin_file)
    assert put.output.endswith(f"key id {key.verify_key.kid.hex()}\n"), put.exception
    assert file.exists()


def test_it_never_shows_its_private_half(there: Token) -> None:
    from hubgateway.issuer.holding import tokenkeys

    key = tokenkeys.make_key(tokenuri.read("x", there.uri()), PIN)
    for ask in (
        lambda: key.private_numbers(),
        lambda: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        lambda: key.exchange(ec.ECDH(), key.public_key()),
        lambda: key.sign(b"", ec.ECDSA(hashes.SHA384())),
    ):
        with pytest.raises(HardwareError):
            ask()
    import pkcs11

    with pytest.raises(pkcs11.AttributeSensitive):
        key._private[pkcs11.Attribute.VALUE]


def test_a_token_that_was_pulled_out_is_told_and_signs_again_when_it_is_back(there: Token) -> None:
    """holding.token, law 2"""
    from hubgateway.issuer.holding import tokenkeys

    key = SigningKey(tokenkeys.make_key(tokenuri.read("x", there.uri()), PIN))
    key.verify_key.verify(key.sign(b"before"), b"before")
    there.pull_out()
    for _ in range(2):
        with pytest.raises(HardwareError, match="does not answer"):
            key.sign(b"meanwhile")
    there.put_back()
    key.verify_key.verify(key.sign(b"after"), b"after")


def test_another_key_under_its_name_signs_nothing(there: Token, tmp_path: Path) -> None:
    from hubgateway.issuer.holding import tokenkeys

    uri = tokenuri.read("x", there.uri())
    key = SigningKey(tokenkeys.make_key(uri, PIN))
    there.pull_out()
    with pytest.raises(HardwareError):
        key.sign(b"meanwhile")
    with softhsm(tmp_path / "other") as other:
        tokenkeys.make_key(tokenuri.read("x", other.uri()), PIN)
        other.let_go()
        with pytest.raises(HardwareError, match="another key"):
            key.sign(b"by another")


def test_a_token_that_is_not_there_and_a_key_that_is_not_in_it(there: Token) -> None:
    from hubgateway.issuer.holding import token

    with pytest.raises(ConfigError, match="no such P-256 key"):
        token.open_token(tokenuri.read("x", there.uri("nobody")), PIN)
    elsewhere = there.uri().replace("token=acme", "token=other")
    with pytest.raises(ConfigError, match="no such token"):
        token.open_token(tokenuri.read("x", elsewhere), PIN)
    nothing = f"pkcs11:token=acme;object=issuer?module-path={Path(__file__)}"
    with pytest.raises(HardwareError, match="does not answer"):
        token.open_token(tokenuri.read("x", nothing), PIN)


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "after-a-failure"])
def test_a_wrong_pin_is_tried_once(
    there: Token, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    """holding.token, law 3"""
    from hubgateway.issuer.holding import token, tokenkeys

    uri = tokenuri.read("x", there.uri())
    key = SigningKey(tokenkeys.make_key(uri, PIN))
    there.let_go()
    key.private._pin = "0000"  # as if somebody had changed it at the token meanwhile
    if not is_open:
        key.private._private = None
    tried = []
    session = token.session_of
    monkeypatch.setattr(token, "session_of", lambda *words: tried.append(1) or session(*words))
    with pytest.raises(HardwareError, match="PinIncorrect"):
        key.sign(b"first")
    with pytest.raises(HardwareError, match="refused the PIN: start anew"):
        key.sign(b"second")
    assert len(tried) == 1
    with pytest.raises(ConfigError, match="refuses the PIN"):
        token.open_token(uri, "0000")


def test_what_the_token_signs_is_verified(there: Token) -> None:
    """holding.token, law 1"""
    from hubgateway.issuer.holding import tokenkeys

    key = tokenkeys.make_key(tokenuri.read("x", there.uri()), PIN)
    key._tried = lambda digest, again: bytes(63) + b"\x01"  # type: ignore[method-assign]
    with pytest.raises(HardwareError, match="does not verify"):
        key.sign(b"data", ec.ECDSA(hashes.SHA256()))


def test_a_site_is_signed_for_by_a_token_that_comes_and_goes(there: Token, tmp_path: Path) -> None:
    """signing.signer: the same rules and log, whatever the key lies in"""
    from hubgateway.issuer.holding import tokenkeys

    key = SigningKey(tokenkeys.make_key(tokenuri.read("x", there.uri()), PIN))
    signer = make_signer(tmp_path, key)
    wanted = brought(policy(7))
    asked = Ask(1, wanted.kind, wanted.claims, wanted.along)
    made = signer.sign(asked, "x")
    assert document.prove(made, signer.issuer, "acme").version == 7
    there.pull_out()
    with pytest.raises(RefusedError) as found:
        signer.sign(asked, "x")
    assert found.value.refusal is Refusal.KEY
    there.put_back()
    assert document.prove(signer.sign(asked, "x"), signer.issuer, "acme").version == 7
    signer.close()
    assert len(list(read_log(tmp_path / LOG))) == 2


def test_threads_that_sign_at_once_wait_for_each_other(there: Token) -> None:
    """holding.token, law 4: two keys of one token, and a token that went in between"""
    from hubgateway.issuer.holding import tokenkeys

    keys = [
        SigningKey(tokenkeys.make_key(tokenuri.read("x", there.uri(name)), PIN)) for name in "ab"
    ]
    there.let_go()

    def sign(number: int) -> None:
        key = keys[number % 2]
        data = bytes([number])
        key.verify_key.verify(key.sign(data), data)

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(sign, range(40))) == [None] * 40
