"""What a bridge tells people in its log, one line each, at a pace that no peer sets.

Law: of each source and kind at most a few lines at once, and then one each minute; all together at
most LINES. What is left out is counted, and the next line says how many.
"""

from __future__ import annotations

import sys

from hubcore.backend.uplink.fields import sentence
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate

EACH = Rate(burst=5, per_second=1 / 60)
LINES = Rate(burst=60, per_second=1)
SOURCES_MAX = 512


class Told:
    """Writes lines for people to standard error."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._paces = Paces(each=EACH, whole=LINES, sources_max=SOURCES_MAX)
        self.left_out = 0

    def refused(self, address: str, why: str) -> None:
        """Somebody was not let in."""
        self._say(("refused", address), f"refused {address or 'a connection'}: {why}")

    def contested(self, hub: str) -> None:
        """A hub's connections take each other's place."""
        self._say(("contested", hub), f"{hub}: two machines may have its key: they take turns here")

    def hurt(self, hub: str, why: str) -> None:
        """A hub's connection ended by what it said."""
        self._say(("hurt", hub), f"{hub}: cut off: {why}")

    def local(self, event: str, text: str) -> None:
        """Something happened at the local socket."""
        self._say(("local", event), text)

    def of_hub(self, hub: str, what: str) -> None:
        """Something is wrong with a hub's records."""
        self._say(("of hub", hub), f"{hub}: {what}")

    def trouble(self, what: str) -> None:
        """Something of the bridge itself is wrong."""
        self._say(("trouble", ""), what)

    def note(self, what: str) -> None:
        """Something has happened to the bridge itself."""
        self._say(("note", ""), what)

    def _say(self, source: tuple[str, str], text: str) -> None:
        if not self._paces.take(source, self._clock.monotonic()):
            self.left_out += 1
            return
        left_out = f" ({self.left_out} lines were left out)" if self.left_out else ""
        self.left_out = 0
        print(f"hubbridge: {sentence(text)}{left_out}", file=sys.stderr, flush=True)  # noqa: T201
