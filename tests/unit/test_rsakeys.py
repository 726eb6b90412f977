"""Which RSA moduli are refused, and that good ones are not."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from hubcore.codec import cose
from hubcore.codec.rsakeys import KNOWN_MAX, SMALL, weakness
from hubcore.errors import ProofError

PRIME_1024 = (1 << 1024) - 105
"""The greatest prime below 2^1024."""
PRIME_2048 = (1 << 2048) - 1942289
"""The greatest prime below 2^2048."""
PRIME_512 = (1 << 512) - 569


@pytest.mark.parametrize(
    ("modulus", "why"),
    [
        pytest.param(3**1292, "factor below", id="a power of 3"),
        pytest.param((1 << 2047) + 2, "factor below", id="even"),
        pytest.param(751 * (((1 << 2047) // 751 + 1) | 1), "factor below", id="a small factor"),
        pytest.param(PRIME_1024**2, "prime", id="the square of a prime"),
        pytest.param(PRIME_512**4, "prime", id="the fourth power of a prime"),
        pytest.param(PRIME_2048, "prime", id="a prime"),
    ],
)
def test_a_modulus_that_is_none_is_refused_before_any_signature_is_looked_at(
    modulus: int, why: str
) -> None:
    said = weakness(modulus)
    assert said is not None
    assert why in said
    key = {1: 3, 3: cose.PS256, -1: modulus.to_bytes(256, "big"), -2: b"\x01\x00\x01"}
    with pytest.raises(ProofError, match="key: "):
        cose.read_key(key)


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_good_modulus_is_taken(bits: int) -> None:
    for _ in range(3):
        numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()
        assert weakness(numbers.n) is None


def test_the_cost_is_spent_once_a_key() -> None:
    modulus = rsa.generate_private_key(65537, 3072).public_key().public_numbers().n
    weakness(modulus)
    before = weakness.cache_info()
    began = time.perf_counter()
    for _ in range(100):
        assert weakness(modulus) is None
    assert time.perf_counter() - began < 0.1
    assert weakness.cache_info().hits == before.hits + 100
    assert weakness.cache_info().maxsize == KNOWN_MAX


def test_all_primes_below_the_bound_are_looked_for() -> None:
    good = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    primes = [n for n in range(2, SMALL) if all(n % factor for factor in range(2, n))]
    assert primes[-1] == 751
    assert all(weakness(good * prime) == f"it has a factor below {SMALL}" for prime in primes)
