"""The words of an office: why something cannot be done, and how long a document is good for."""

from __future__ import annotations

from dataclasses import dataclass


class NoError(Exception):
    """What an operator asked for cannot be done; it says why and what to do."""


@dataclass(frozen=True, slots=True)
class Validity:
    """A span of Unix seconds."""

    not_before: int
    expires: int
