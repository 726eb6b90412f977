"""How passwords are kept: Argon2id, by a measure that a small machine can pay for several at once.

Source: RFC 9106; OWASP Password Storage Cheat Sheet (Argon2id, 46 MiB, one pass, one lane).
"""

from __future__ import annotations

from django.contrib.auth.hashers import Argon2PasswordHasher

MEMORY_KIB = 47_104
PASSES = 2
LANES = 1


class Argon2(Argon2PasswordHasher):
    """One pass more than the source asks for."""

    time_cost = PASSES
    memory_cost = MEMORY_KIB
    parallelism = LANES
