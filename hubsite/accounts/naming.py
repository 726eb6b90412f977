"""Which names accounts may have. Whoever judges one needs no database for it."""

from __future__ import annotations

NAME_PATTERN = r"\A[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?\Z"
NAME_WORDS = (
    "A name has 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins and ends with a letter or digit."
)
