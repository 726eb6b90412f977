"""What the server and its children have used, by the kernel's own accounts."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.start import children, memory_of

_USER = 11
"""In `/proc/PID/stat`, counted from behind the name: CPU time in user mode, then in the kernel."""


def memory_of_all(leader: int) -> float:
    """Return the memory of a process and its children, in MB (PSS)."""
    return sum(memory_of(one).proportional for one in (leader, *children(leader)))


def cpu_of_all(leader: int) -> float:
    """Return the CPU seconds that a process and its children have used."""
    return sum(_cpu_of(one) for one in (leader, *children(leader)))


def _cpu_of(process: int) -> float:
    behind_name = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(map(int, behind_name[_USER : _USER + 2]))
    return ticks / os.sysconf("SC_CLK_TCK")
