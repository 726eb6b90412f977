"""Commands of the last seconds, for a hub that comes to this gateway meanwhile.

Laws:
1. A command is forgotten at its `expires_at`; none waits for a hub that is away for longer.
2. At most `ceiling` are kept; then the oldest goes.
"""

from __future__ import annotations

from collections import deque

from hubcore.backend.uplink import codec, from_backend
from hubcore.errors import FrameError

COMMANDS_MAX = 1024
Command = from_backend.Release | from_backend.Act | from_backend.Order


class Pocket:
    """Times are Unix seconds, handed in."""

    def __init__(self, ceiling: int = COMMANDS_MAX) -> None:
        self._kept: deque[tuple[str, Command]] = deque(maxlen=ceiling)

    def keep(self, hub: str, command: Command) -> None:
        """Keep a command."""
        self._kept.append((hub, command))

    def alive(self, hub: str, now: float) -> list[Command]:
        """Return the hub's commands that have not expired, oldest first; forget all that have."""
        for one in [one for one in self._kept if one[1].expires_at <= now]:
            self._kept.remove(one)
        return [command for name, command in self._kept if name == hub]


def read_command(data: bytes) -> Command | from_backend.RotateKey | None:
    """Read what somebody orders; None for what no backend may say here."""
    try:
        said = codec.decode_from_backend(data)
    except FrameError:
        return None
    match said:
        case from_backend.Release() | from_backend.Act() | from_backend.Order():
            return said
        case from_backend.RotateKey():
            return said
    return None
