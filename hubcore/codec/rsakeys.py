"""What can be said of an RSA modulus without its factors: partial public-key validation.

Source: NIST SP 800-56B rev. 2, 6.4.2.2, by the steps of SP 800-89, 5.3.3.

Laws:
1. A modulus is refused if it is even, has a factor below SMALL, or is a prime or a power of one.
2. A good modulus is refused with a negligible chance. The answer for a modulus is always the same.
3. The cost is one exponentiation, and none for the KNOWN_MAX moduli seen last.

It does not show that only the owner knows the factors: no test does.
"""

from __future__ import annotations

import math
from functools import lru_cache

SMALL = 752
KNOWN_MAX = 256


def _is_odd_prime(n: int) -> bool:
    factors = range(3, math.isqrt(n) + 1, 2)
    return all(n % factor for factor in factors)


_ODD_NUMBERS = range(3, SMALL, 2)
_SMALL_PRIMES = math.prod(filter(_is_odd_prime, _ODD_NUMBERS))
"""The product of the odd primes below SMALL."""


@lru_cache(KNOWN_MAX)
def weakness(modulus: int) -> str | None:
    """Say why this is no modulus of a good RSA key; None when nothing is wrong with it."""
    if modulus % 2 == 0 or math.gcd(modulus, _SMALL_PRIMES) > 1:
        return f"it has a factor below {SMALL}"
    # When n is p or a power of it, p - 1 divides n - 1. Then 2^(n-1) is 1 modulo p (Fermat), and p
    # is a factor of both. The two primes of a good modulus have nothing like that in common.
    remainder = pow(2, modulus - 1, modulus) - 1
    if math.gcd(remainder, modulus) > 1:
        return "it is a prime, or the power of one"
    return None
