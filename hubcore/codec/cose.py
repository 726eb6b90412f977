"""COSE as hubd uses it: a thin encoding over primitives of `cryptography`.

Sources: RFC 9052, 9053, 8230 and 9679.

Laws:
1. A protected header is a constant and is compared as bytes. So a sender chooses nothing but the
   AEAD, from a short list.
2. The algorithm of a signature is a property of the verifying key.
3. A key id is a hint for a table, never a proof.
4. Every failure, whatever its cause, is one ProofError.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hubcore.codec import cbor
from hubcore.codec.rsakeys import weakness
from hubcore.errors import FrameError, ProofError

ES256 = -7
PS256 = -37
RSAES_OAEP_SHA256 = -41
DIRECT_HKDF_SHA256 = -10
SIGN1_TAG = 18
KID_BYTES = 8
HEADER_BYTES = 64
"""A protected header; the longest of those known has 33."""
HEADER_ITEMS = 8
"""CBOR heads in an unprotected header; those known have at most three."""
SIGNATURE_BYTES = 384
"""A signature: that of PS256 with RSA-3072 is the longest."""
IV_BYTES = 12
COORDINATE_BYTES = 32
EXPONENT = 65537
_EXPONENT_BYTES = b"\x01\x00\x01"
DIRECT = cbor.encode({1: DIRECT_HKDF_SHA256})
"""The protected header of the direct+HKDF-SHA-256 recipient."""


class Aead(IntEnum):
    """AES-GCM of RFC 9053, 4.1, by its COSE number."""

    A128GCM = 1
    A192GCM = 2
    A256GCM = 3

    @property
    def key_bytes(self) -> int:
        """Return the key's size: 16, 24 or 32 bytes."""
        return 8 + 8 * self

    @property
    def protected(self) -> bytes:
        """Return the one protected header of content sealed with this AEAD."""
        return _AEAD_HEADERS[self]


_AEAD_HEADERS = {aead: cbor.encode({1: int(aead)}) for aead in Aead}
AEAD_BY_HEADER = {header: aead for aead, header in _AEAD_HEADERS.items()}

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

_SHA256 = hashes.SHA256()
_ECDSA = ec.ECDSA(_SHA256)
_PSS = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256.digest_size)
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public signature key: its algorithm (ES256 or PS256), and its id.

    `kid` is the first 8 bytes of its RFC 9679 thumbprint.
    """

    alg: int
    kid: bytes
    public: PublicKey

    def verify(self, signature: bytes, data: bytes) -> None:
        """Raise ProofError unless `signature` (ES256: r||s, 64 bytes) is this key's over `data`."""
        try:
            if isinstance(self.public, rsa.RSAPublicKey):
                self.public.verify(signature, data, _PSS, _SHA256)
            else:
                self.public.verify(_read_r_and_s(signature), data, _ECDSA)
        except InvalidSignature:
            raise ProofError("signature: does not verify") from None


def _read_r_and_s(signature: bytes) -> bytes:
    """Return an ES256 signature, r||s, in the form of `cryptography`."""
    if len(signature) != 2 * COORDINATE_BYTES:
        raise ProofError("signature: an ES256 signature has 64 bytes")
    r = int.from_bytes(signature[:COORDINATE_BYTES], "big")
    s = int.from_bytes(signature[COORDINATE_BYTES:], "big")
    return encode_dss_signature(r, s)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private signature key: P-256 for ES256, RSA for PS256."""

    private: PrivateKey

    @property
    def verify_key(self) -> VerifyKey:
        """Return the public half."""
        return read_key(self.cose_key)

    @property
    def cose_key(self) -> dict[int, Any]:
        """Return the public half as a COSE_Key map."""
        return write_key(self.private.public_key())

    @property
    def alg(self) -> int:
        """Return the COSE number of the signature algorithm."""
        return PS256 if isinstance(self.private, rsa.RSAPrivateKey) else ES256

    def sign(self, data: bytes) -> bytes:
        """Return the signature over `data` in COSE's form."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, _PSS, _SHA256)
        r, s = decode_dss_signature(self.private.sign(data, _ECDSA))
        return _coordinate(r) + _coordinate(s)


def write_key(public: PublicKey) -> dict[int, Any]:
    """Return the COSE_Key of a signature key (RFC 9053, 7.1; RFC 8230, 4)."""
    if isinstance(public, rsa.RSAPublicKey):
        return {1: 3, 3: PS256, -1: _modulus(public), -2: _EXPONENT_BYTES}
    numbers = public.public_numbers()
    x = _coordinate(numbers.x)
    y = _coordinate(numbers.y)
    return {1: 2, 3: ES256, -1: 1, -2: x, -3: y}


def _coordinate(number: int) -> bytes:
    return number.to_bytes(COORDINATE_BYTES, "big")


def read_key(key: Any) -> VerifyKey:
    """Read a COSE_Key that may verify signatures.

    Raise ProofError for any other key, member or size.
    """
    match key:
        case {1: 2, 3: alg, -1: 1, -2: bytes() as x, -3: bytes() as y}:
            if alg == ES256 and len(key) == 5:
                return VerifyKey(ES256, _kid(key), _p256_public(x, y))
        case {1: 3, 3: alg, -1: bytes() as n, -2: bytes() as e}:
            if alg == PS256 and len(key) == 4:
                public = rsa_public(n, e, (256, 384))
                why = weakness(int.from_bytes(n, "big"))
                if why is not None:
                    raise ProofError(f"key: no RSA modulus: {why}")
                return VerifyKey(PS256, _kid(key), public)
    raise ProofError("key: neither an ES256 key on P-256 nor a PS256 key, with exactly its members")


def _p256_public(x: bytes, y: bytes) -> ec.EllipticCurvePublicKey:
    if len(x) != COORDINATE_BYTES or len(y) != COORDINATE_BYTES:
        raise ProofError("key: a P-256 coordinate has 32 bytes")
    point = b"\x04" + x + y
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise ProofError("key: the point is not on P-256") from error


def rsa_public(n: bytes, e: bytes, sizes: tuple[int, ...]) -> rsa.RSAPublicKey:
    """Read an RSA public key.

    Raise ProofError unless n has one of `sizes` bytes, its top bit set, and e is 65537.
    """
    is_modulus = len(n) in sizes and n[0] & 0x80 and n[-1] & 1
    if not is_modulus or e != _EXPONENT_BYTES:
        raise ProofError("key: RSA modulus of a size not allowed, or exponent other than 65537")
    modulus = int.from_bytes(n, "big")
    return rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()


def write_encryption_key(public: rsa.RSAPublicKey) -> dict[int, Any]:
    """Return the COSE_Key of an RSAES-OAEP-SHA256 key, with its kid (RFC 8230, 4)."""
    key = {1: 3, 3: RSAES_OAEP_SHA256, -1: _modulus(public), -2: _EXPONENT_BYTES}
    return {**key, 2: _kid(key)}


def thumbprint(key: dict[int, Any]) -> bytes:
    """Return the SHA-256 thumbprint of a COSE_Key, over its required members (RFC 9679, 4)."""
    is_curve_key = key[1] == 2
    labels = (1, -1, -2, -3) if is_curve_key else (1, -1, -2)
    members = {label: key[label] for label in labels}
    return hashlib.sha256(cbor.encode_flat(members)).digest()


def _kid(key: dict[int, Any]) -> bytes:
    return thumbprint(key)[:KID_BYTES]


def _modulus(public: rsa.RSAPublicKey) -> bytes:
    return public.public_numbers().n.to_bytes(public.key_size // 8, "big")


def sign1(
    protected: bytes,
    payload: bytes,
    key: SigningKey,
    aad: bytes = b"",
    kid: bytes | None = None,
) -> list[Any]:
    """Return a COSE_Sign1 array (RFC 9052, 4.2); tag it where the context does not fix the type."""
    signature = key.sign(_sig_structure(protected, aad, payload))
    unprotected = {} if kid is None else {4: kid}
    return [protected, unprotected, payload, signature]


@dataclass(frozen=True, slots=True)
class Sign1:
    """The four parts of a tagged COSE_Sign1, as bytes; nothing is proven.

    `unprotected` is an encoded map.
    """

    protected: bytes
    unprotected: bytes
    payload: bytes
    signature: bytes


def read_sign1(data: bytes) -> Sign1:
    """Split a tagged COSE_Sign1 by its one shape (RFC 9052, 4.2); what is inside stays bytes.

    Raise FrameError for anything else.
    """
    cursor = cbor.Cursor(data)
    document = pass_sign1(cursor, len(data))
    cursor.end()
    return document


def pass_sign1(cursor: cbor.Cursor, payload_bytes: int) -> Sign1:
    """Split the tagged COSE_Sign1 at the cursor, whose payload has at most so many bytes.

    Raise FrameError for anything else.
    """
    cursor.tag(SIGN1_TAG)
    if cursor.array() != 4:
        raise FrameError("CBOR: an array of four is expected")
    protected = cursor.string(0, HEADER_BYTES)
    unprotected = cursor.whole(HEADER_ITEMS)
    payload = cursor.string(0, payload_bytes)
    signature = cursor.string(0, SIGNATURE_BYTES)
    return Sign1(
        protected=protected,
        unprotected=unprotected,
        payload=payload,
        signature=signature,
    )


def verify1(
    protected: bytes,
    payload: bytes,
    signature: bytes,
    key: VerifyKey,
    aad: bytes = b"",
) -> None:
    """Check the signature of a COSE_Sign1 whose headers were checked by the caller.

    Raise ProofError.
    """
    key.verify(signature, _sig_structure(protected, aad, payload))


def _sig_structure(protected: bytes, aad: bytes, payload: bytes) -> bytes:
    return cbor.encode_flat(["Signature1", protected, aad, payload])


def seal(
    aead: Aead,
    key: bytes,
    iv: bytes,
    plaintext: bytes,
    aad: bytes = b"",
) -> bytes:
    """Return the ciphertext with tag of a COSE_Encrypt's content (RFC 9052, 5.3)."""
    return AESGCM(key).encrypt(iv, plaintext, _enc_structure(aead, aad))


def unseal(
    aead: Aead,
    key: bytes,
    iv: bytes,
    ciphertext: bytes,
    aad: bytes = b"",
) -> bytes:
    """Return the plaintext of a COSE_Encrypt's content. Raise ProofError."""
    try:
        return AESGCM(key).decrypt(iv, ciphertext, _enc_structure(aead, aad))
    except (InvalidTag, ValueError):
        raise ProofError("seal: the content does not open") from None


def _enc_structure(aead: Aead, aad: bytes) -> bytes:
    return cbor.encode_flat(["Encrypt", aead.protected, aad])


def wrap_key(public: rsa.RSAPublicKey, key: bytes) -> bytes:
    """Encrypt a content key: RSAES-OAEP, SHA-256, MGF1-SHA-256, empty label (RFC 8230, 3)."""
    return public.encrypt(key, _OAEP)


def unwrap_key(private: rsa.RSAPrivateKey, encrypted: bytes, decoy: bytes) -> bytes:
    """Return the content key, or `decoy` when there is none of its size: the AEAD then fails.

    One path for every failure: neither the caller nor its peer learns whether padding or length was
    wrong.
    """
    try:
        key = private.decrypt(encrypted, _OAEP)
    except ValueError:
        return decoy
    if len(key) != len(decoy):
        return decoy
    return key


def derive(
    secret: bytes,
    salt: bytes,
    size: int,
    alg: int,
    party_v: bytes,
    label: str,
) -> bytes:
    """Return `size` bytes of HKDF-SHA-256 with the COSE_KDF_Context of RFC 9053, 5.2.

    PartyV is the hub. SuppPubInfo.other is the purpose as CBOR text. `alg` is what the key is for.
    """
    context = _kdf_context(size, alg, party_v, label)
    return HKDF(_SHA256, size, salt, context).derive(secret)


@lru_cache(64)
def _kdf_context(size: int, alg: int, party_v: bytes, label: str) -> bytes:
    """Return the context; a hub uses few of them: one for each AEAD and purpose."""
    party_u_info = [None, None, None]
    party_v_info = [party_v, None, None]
    public_info = [8 * size, DIRECT, cbor.encode_flat(label)]
    return cbor.encode_flat([alg, party_u_info, party_v_info, public_info])
