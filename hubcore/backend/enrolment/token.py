"""The token of an enrolment: what it trusts and what it proves, as a person types it.

Laws:
1. A token is a hash of the backend's enrolment key (80 bits) and a secret (80 bits).
2. The hash is scrypt's, so that nobody finds another key for it: a try costs 16 MiB of memory.
3. As text it is eight groups of five characters. The last one of a group checks it: a wrong
   character, and two characters that changed places, are found, and the group is named.
4. No sentence and no repr shows the secret.

The alphabet is Crockford's: digits and letters without I, L, O and U. I and L are read as 1, O as
0, small letters as large ones; spaces and hyphens count for nothing.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from hubcore.errors import ConfigError

TRUST_BYTES = 10
SECRET_BYTES = 10
TOKEN_SECONDS = 86_400
"""How long a token waits for its hub."""
KEY_BYTES = 32
TEXT_MAX = 256
"""Characters of a text that is looked at."""
GROUPS = 8
GROUP_CHARACTERS = 5
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

_DATA_CHARACTERS = GROUP_CHARACTERS - 1
_BITS = 5
_READ_AS = str.maketrans({"I": "1", "L": "1", "O": "0"})
_WITHOUT = str.maketrans("", "", " -\t\r\n")
_SALT = b"hubd enrolment key, version 1"
_SCRYPT_COST = 1 << 14
_SCRYPT_BLOCK = 8
_POLYNOMIAL = 0b100101
"""x^5 + x^2 + 1: its root, 2, has all 31 numbers but 0 as its powers."""
_ROOT = 2


@dataclass(frozen=True, slots=True)
class Token:
    """`trust` is the hash of the backend's enrolment key, `secret` what proves the hub."""

    trust: bytes
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise ConfigError for parts of another size."""
        if len(self.trust) != TRUST_BYTES or len(self.secret) != SECRET_BYTES:
            raise ConfigError(f"token: it has {TRUST_BYTES} and {SECRET_BYTES} bytes")


def trust_of(key: bytes) -> bytes:
    """Return the hash by which a token knows an enrolment key (32 bytes). It takes some 50 ms."""
    return hashlib.scrypt(key, salt=_SALT, n=_SCRYPT_COST, r=_SCRYPT_BLOCK, p=1, dklen=TRUST_BYTES)


def digest_of(secret: bytes) -> bytes:
    """Return what a backend keeps of a secret: its file opens no door to whoever reads it."""
    return hashlib.sha256(b"hubd enrolment secret" + secret).digest()


def write_token(token: Token) -> str:
    """Return the token as a person types it."""
    number = int.from_bytes(token.trust + token.secret, "big")
    values: list[int] = []
    for _ in range(GROUPS * _DATA_CHARACTERS):
        values.append(number & 31)
        number >>= _BITS
    values.reverse()
    groups: list[str] = []
    for index in range(GROUPS):
        first = index * _DATA_CHARACTERS
        data = values[first : first + _DATA_CHARACTERS]
        groups.append("".join(ALPHABET[value] for value in [*data, _check(index, data)]))
    return "-".join(groups)


def read_token(text: str) -> Token:
    """Read what a person typed. Raise ConfigError, a sentence that names the wrong group."""
    if len(text) > TEXT_MAX:
        raise ConfigError("token: this is far too long to be one")
    plain = text.translate(_WITHOUT).upper().translate(_READ_AS)
    wanted = GROUPS * GROUP_CHARACTERS
    if len(plain) != wanted:
        raise ConfigError(
            f"token: it has {GROUPS} groups of {GROUP_CHARACTERS} characters, {wanted} in all; "
            f"these are {len(plain)}"
        )
    number = 0
    for index in range(GROUPS):
        group = plain[index * GROUP_CHARACTERS : (index + 1) * GROUP_CHARACTERS]
        for value in _read_group(index, group):
            number = number << _BITS | value
    data = number.to_bytes(TRUST_BYTES + SECRET_BYTES, "big")
    return Token(data[:TRUST_BYTES], data[TRUST_BYTES:])


def _read_group(index: int, group: str) -> list[int]:
    values = [ALPHABET.find(character) for character in group]
    data = values[:-1]
    if min(values) < 0 or _check(index, data) != values[-1]:
        raise ConfigError(f"token: group {index + 1} of {GROUPS} is mistyped; type it again")
    return data


def _check(index: int, data: list[int]) -> int:
    """Return the check of a group: a sum over GF(32), each place with a weight of its own."""
    total = index
    weight = _ROOT
    for value in data:
        total ^= _times(weight, value)
        weight = _times(weight, _ROOT)
    return total


def _times(left: int, right: int) -> int:
    product = 0
    for bit in range(_BITS):
        if right >> bit & 1:
            product ^= left << bit
    for bit in range(2 * _BITS - 2, _BITS - 1, -1):
        if product >> bit & 1:
            product ^= _POLYNOMIAL << (bit - _BITS)
    return product
