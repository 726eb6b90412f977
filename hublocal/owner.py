"""Whose local socket it is: the owner's names in what people read, and where its log goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Owner:
    """A program with a local socket.

    `setting` is where the socket's file is named. `readers` and `actors` are the groups whose
    members may look, and act. `renewer` is the user that may renew the program, "" for none.
    """

    program: str
    setting: str
    readers: str
    actors: str
    renewer: str = ""


class Log(Protocol):
    """Where lines for people go: the name of an event, and its facts."""

    def debug(self, event: str, **facts: Any) -> Any:
        """Write what a developer looks for."""

    def info(self, event: str, **facts: Any) -> Any:
        """Write what is as it should be."""

    def warning(self, event: str, **facts: Any) -> Any:
        """Write what a person should look at."""

    def error(self, event: str, **facts: Any) -> Any:
        """Write what a person must look at; with `exc_info`, the error that was raised."""
