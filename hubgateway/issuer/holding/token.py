"""A key in a PKCS#11 token: the token signs, and the key never leaves it.

How it works: `TokenKey` stands where `cryptography` wants a private key. It hashes what is to be
signed, and the token signs the hash.

Laws:
1. A signature leaves only after it was verified under the key that the token showed at the start.
2. A token that does not answer is opened once more. If it still does not answer, that one signature
   fails with HardwareError, and the next one tries again.
3. A wrong PIN is tried once: a token locks itself after some. No later signature tries it again.
4. The tokens of a process are used by one thread at a time. When all were opened anew for one key,
   each other key finds its token again before it signs: a handle of before may be another's now.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import suppress
from typing import Any, NoReturn

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    encode_dss_signature,
)
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from hubcore.codec.cose import COORDINATE_BYTES
from hubcore.errors import ConfigError, HardwareError
from hubgateway.issuer.holding.tokenuri import TokenUri

TURN = threading.RLock()
"""Law 4."""
WRONG_PIN = (pkcs11.PinIncorrect, pkcs11.PinInvalid, pkcs11.PinLenRange, pkcs11.PinLocked)
POINT_HEAD = b"\x04\x41"
"""Of an OCTET STRING that has an uncompressed point of P-256."""


class _Opened:
    """How often all tokens of this process were opened anew."""

    number = 0


def open_token(uri: TokenUri, pin: str) -> TokenKey:
    """Open a key. Raise ConfigError for what the URI or PIN says wrong, HardwareError."""
    with TURN:
        try:
            return TokenKey(uri, pin)
        except WRONG_PIN as error:
            raise ConfigError(
                f"{uri.text}: the token refuses the PIN ({why(error)}). It locks itself after "
                "some wrong ones: look before you try again"
            ) from error
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned) as error:
            raise ConfigError(f"{uri.text}: there is no such token, or several") from error
        except (pkcs11.NoSuchKey, pkcs11.MultipleObjectsReturned) as error:
            raise ConfigError(
                f"{uri.text}: the token has no such P-256 key with its public half, or several"
            ) from error
        except pkcs11.PKCS11Error as error:
            raise HardwareError(f"{uri.text}: the token does not answer: {why(error)}") from error


class TokenKey(ec.EllipticCurvePrivateKey):
    """A P-256 key that a token has; what only a key in memory can do raises HardwareError."""

    def __init__(self, uri: TokenUri, pin: str) -> None:
        """Open it. Raise PKCS11Error."""
        self._uri = uri
        self._pin: str | None = pin
        self._private: Any = None
        self._opened = 0
        self._public = self._open(again=False)

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve."""
        return self._public.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half, as the token showed it at the start."""
        return self._public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return a signature over `data` in DER (laws 1 and 2). Raise HardwareError."""
        hashed = signature_algorithm.algorithm
        if not isinstance(hashed, hashes.SHA256):
            raise HardwareError(f"{self._uri.text}: it signs SHA-256 alone")
        data = bytes(data)
        with TURN:
            raw = self._signed(hashlib.sha256(data).digest())
        signature = encode_dss_signature(
            int.from_bytes(raw[:COORDINATE_BYTES], "big"),
            int.from_bytes(raw[COORDINATE_BYTES:], "big"),
        )
        try:
            self._public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise HardwareError(
                f"{self._uri.text}: what the token signs does not verify under its key"
            ) from error
        return signature

    def _signed(self, digest: bytes) -> bytes:
        """Return r||s over a digest (law 2)."""
        try:
            return self._tried(digest, again=False)
        except pkcs11.PKCS11Error as error:
            if self._pin is None:
                raise self._away(error) from error
        try:
            return self._tried(digest, again=True)
        except pkcs11.PKCS11Error as error:
            raise self._away(error) from error

    def _tried(self, digest: bytes, again: bool) -> bytes:
        """Return r||s over a digest. Raise PKCS11Error; after a wrong PIN none is left (law 3)."""
        try:
            self._found(again)
            return bytes(self._private.sign(digest, mechanism=Mechanism.ECDSA))
        except pkcs11.PKCS11Error as error:
            self._private = None
            if isinstance(error, WRONG_PIN):
                self._pin = None
            raise

    def _away(self, error: Exception) -> HardwareError:
        return HardwareError(f"{self._uri.text}: the token does not answer: {why(error)}")

    def _found(self, again: bool) -> None:
        """Have the key at hand (law 4). Raise PKCS11Error or HardwareError."""
        if self._private is not None and self._opened == _Opened.number:
            return
        if self._pin is None:
            raise HardwareError(f"{self._uri.text}: the token refused the PIN: start anew")
        if self._open(again).public_numbers() != self._public.public_numbers():
            self._private = None
            raise HardwareError(f"{self._uri.text}: another key has its name now")

    def _open(self, again: bool) -> ec.EllipticCurvePublicKey:
        """Find the key; return its public half. Raise PKCS11Error."""
        session = session_of(token_of(self._uri, again), self._pin or "")
        found = {}
        for half in (ObjectClass.PRIVATE_KEY, ObjectClass.PUBLIC_KEY):
            (found[half],) = _one(session.get_objects(wanted_of(self._uri, half)))
        point = bytes(found[ObjectClass.PUBLIC_KEY][Attribute.EC_POINT])
        self._private = found[ObjectClass.PRIVATE_KEY]
        self._opened = _Opened.number
        return _read_point(point)

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        """Raise HardwareError."""
        self._never()

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Raise HardwareError."""
        self._never()

    def private_bytes(self, *_how: Any, **_more: Any) -> bytes:
        """Raise HardwareError."""
        self._never()

    def _never(self) -> NoReturn:
        raise HardwareError(f"{self._uri.text}: the key does not leave its token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> TokenKey:
        return self


def token_of(uri: TokenUri, again: bool) -> Any:
    """Find the token. `again`: everything is asked anew, also which tokens there are."""
    library: Any = pkcs11.lib(str(uri.module))
    if again:
        _Opened.number += 1
        with suppress(pkcs11.PKCS11Error):
            library.reinitialize()
        library = pkcs11.lib(str(uri.module))
    named: dict[str, Any] = {}
    if uri.token is not None:
        named["token_label"] = uri.token
    if uri.serial is not None:
        named["token_serial"] = uri.serial
    return library.get_token(**named)


def session_of(token: Any, pin: str, writes: bool = False) -> Any:
    """Log in. Raise PKCS11Error."""
    try:
        return token.open(user_pin=pin, rw=writes)
    except pkcs11.UserAlreadyLoggedIn:  # by another key of the same token
        return token.open(rw=writes)


def wanted_of(uri: TokenUri, half: ObjectClass) -> dict[Attribute, Any]:
    """Return by what one half of a key is found."""
    wanted: dict[Attribute, Any] = {Attribute.CLASS: half, Attribute.KEY_TYPE: KeyType.EC}
    if uri.label is not None:
        wanted[Attribute.LABEL] = uri.label
    if uri.id is not None:
        wanted[Attribute.ID] = uri.id
    return wanted


def _one(found: Any) -> list[Any]:
    """Return the one object that was found. Raise PKCS11Error for none, or several."""
    objects = list(found)
    if not objects:
        raise pkcs11.NoSuchKey
    if len(objects) > 1:
        raise pkcs11.MultipleObjectsReturned
    return objects


def _read_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """Read a token's EC_POINT: a DER OCTET STRING, or the bare point. Raise PKCS11Error."""
    try:
        bare = point.removeprefix(POINT_HEAD) if len(point) == 67 else point
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)
    except ValueError as error:
        raise pkcs11.NoSuchKey("it is no key of the curve P-256") from error


def why(error: Exception) -> str:
    """Return a failure of a token in words."""
    return f"{type(error).__name__} {error}".strip()
