"""The log of the local socket, as lines of the bridge's own log."""

from __future__ import annotations

from typing import Any

from hubbridge.told import Told


class LocalLog:
    """`hublocal.owner.Log` over the bridge's lines for people.

    What is as it should be is not told, but for acts: those change something.
    """

    def __init__(self, told: Told) -> None:
        self._told = told

    def debug(self, event: str, **facts: Any) -> None:
        """Tell nobody."""

    def info(self, event: str, **facts: Any) -> None:
        """Tell an act."""
        self._told.local(event, _text(event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        """Tell what a person should look at."""
        self._told.local(event, _text(event, facts))

    def error(self, event: str, **facts: Any) -> None:
        """Tell what a person must look at."""
        self._told.local(event, _text(event, facts))


def _text(event: str, facts: dict[str, Any]) -> str:
    said = [f"{name}={value!r}" for name, value in facts.items()]
    return " ".join([f"local socket: {event}", *said])
