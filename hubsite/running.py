"""What runs in this process beside the pages: begun once by the program, asked by the pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hubsite.accounts.gate import Gate


@dataclass
class Running:
    """The gate of tries; what signs and what publishes, None where the configuration has none."""

    gate: Gate = field(default_factory=Gate)
    office: Any = None
    publisher: Any = None

    def begin(self, office: Any, publisher: Any) -> None:
        """These sign and publish from now on."""
        self.office = office
        self.publisher = publisher

    def again(self) -> None:
        """Begin again with nothing."""
        self.gate = Gate()
        self.begin(None, None)
