"""What runs in this process beside the pages: begun once by the program, asked by the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from hubsite.accounts.gate import Gate


class Part(Protocol):
    """Something with a thread of its own, which goes on until it is stopped."""

    @property
    def name(self) -> str:
        """Return what people call it, such as "Webhooks"."""

    @property
    def problem(self) -> str:
        """Return a sentence about what is wrong now and what to do, "" for nothing."""

    def start(self) -> None:
        """Begin. Nothing is waited for."""

    def stop(self) -> None:
        """End, and wait for the end."""


@dataclass
class Running:
    """The gate of tries; what signs, what publishes, what gives orders: None where nothing does.

    `provider` is by whom operators sign in elsewhere, None without one.

    `parts` are all others, in the order in which they began.
    """

    gate: Gate = field(default_factory=Gate)
    office: Any = None
    publisher: Any = None
    orders: Any = None
    provider: Any = None
    parts: tuple[Part, ...] = ()

    def begin(self, office: Any, publisher: Any) -> None:
        """These sign and publish from now on."""
        self.office = office
        self.publisher = publisher

    def begin_parts(self, parts: Sequence[Part]) -> None:
        """Begin these, which stay until `end_parts`."""
        for part in parts:
            part.start()
            self.parts = (*self.parts, part)

    def end_parts(self) -> None:
        """End them, the last one first."""
        for part in reversed(self.parts):
            part.stop()
        self.parts = ()

    def again(self) -> None:
        """Begin again with nothing."""
        self.gate = Gate()
        self.begin(None, None)
        self.orders = None
        self.provider = None
        self.parts = ()
