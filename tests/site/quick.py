"""Hashes passwords as the server does, for less: most tests sign in to see something else."""

from __future__ import annotations

from hubsite.accounts.hashing import Argon2


class Quick(Argon2):
    time_cost = 1
    memory_cost = 64
