"""Small words of what the simulator prints."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 hub`, `2 hubs`."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun}s"
