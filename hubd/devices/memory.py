"""What is remembered of one device for a technician: when it spoke, what is wrong, what was asked.

Laws:
1. It costs one place a quantity, one a fault, and COMMANDS_KEPT, at whatever pace they come.
2. Nobody's name is kept: a command is what was to be done, and what became of it.
3. It begins with each start of hubd.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hubcore.device.command import CommandOutcome, Verb
from hubcore.device.state import DeviceFault, Quantity

COMMANDS_KEPT = 5


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command that was answered, at Unix second `at`."""

    verb: Verb
    level: int | None
    at: float
    outcome: CommandOutcome
    why: str


@dataclass(slots=True)
class DeviceMemory:
    """`read_at` in monotonic seconds, `fault_since` in Unix seconds."""

    read_at: dict[Quantity, float] = field(default_factory=dict)
    fault_since: dict[DeviceFault, float] = field(default_factory=dict)
    commands: deque[Commanded] = field(default_factory=lambda: deque(maxlen=COMMANDS_KEPT))
