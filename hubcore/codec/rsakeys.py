"""What can be said of an RSA modulus without its factors: partial public-key validation.

Source: NIST SP 800-56B rev. 2, 6.4.2.2, by the steps of SP 800-89, 5.3.3.

Laws:
1. A modulus that is even, or has a factor below SMALL, or is a prime or the power of one, is
   refused.
2. A good modulus is refused with a chance that can be neglected; what is said of a modulus is
   always the same.
3. The cost is one exponentiation, spent once for each of the KNOWN_MAX moduli seen last.

It does not show that nobody but the owner knows the factors: no test does.
"""

from __future__ import annotations

import math
from functools import lru_cache

SMALL = 752
KNOWN_MAX = 256


def _product_of_odd_primes(below: int) -> int:
    primes = [
        n
        for n in range(3, below, 2)
        if all(n % factor for factor in range(3, math.isqrt(n) + 1, 2))
    ]
    return math.prod(primes)


_SMALL_PRIMES = _product_of_odd_primes(SMALL)


@lru_cache(KNOWN_MAX)
def weakness(modulus: int) -> str | None:
    """Say why this is no modulus of a good RSA key; None when nothing speaks against it."""
    if modulus % 2 == 0 or math.gcd(modulus, _SMALL_PRIMES) > 1:
        return f"it has a factor below {SMALL}"
    # When n is p or a power of it, p - 1 divides n - 1, so that 2^(n-1) is 1 modulo p (Fermat), and
    # p a factor of both. The two primes of a good modulus have no such thing in common.
    if math.gcd(pow(2, modulus - 1, modulus) - 1, modulus) > 1:
        return "it is a prime, or the power of one"
    return None
