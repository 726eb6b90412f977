"""What `hubctl devices NAME` shows: one device whole, put together from those who know.

Law: it only reads, waits for nothing, and names no person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hubcore.checks import CHECK_OF_FAULT, CHECK_OF_LOCK_FAULT, Problem
from hubcore.device.state import UNIT_OF, DeviceFault
from hubcore.ports.clock import Clock
from hubd.devices.memory import Commanded
from hubd.devices.supervisor import Supervisor

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """`devices` returns them as `hubctl devices` shows all of them, locks of doors too."""

    devices: Callable[[], Sequence[Document]]
    supervisor: Supervisor
    clock: Clock

    def names(self) -> list[str]:
        """Return the ids of all devices."""
        return [str(device["id"]) for device in self.devices()]

    def document(self, device: str) -> Document | None:
        """Return one device, by its id; None when there is none."""
        for shown in self.devices():
            if shown["id"] == device:
                return {**shown, **self._more(device, is_lock="door" in shown)}
        return None

    def _more(self, device: str, *, is_lock: bool) -> Document:
        memory = self.supervisor.memory(device)
        now = self.clock.monotonic()
        readings = self.supervisor.readings(device)
        faults = sorted(self.supervisor.faults(device))
        return {
            "reading_details": [
                {
                    "quantity": quantity.name.lower(),
                    "value": value,
                    "unit": UNIT_OF[quantity],
                    "age_seconds": round(now - memory.read_at[quantity], 1),
                }
                for quantity, value in sorted(readings.items())
            ],
            "fault_details": [
                _fault(device, fault, memory.fault_since.get(fault), is_lock=is_lock)
                for fault in faults
            ],
            "commands": [_command(one) for one in reversed(memory.commands)],
        }


def _fault(device: str, fault: DeviceFault, since: float | None, *, is_lock: bool) -> Document:
    checks = CHECK_OF_LOCK_FAULT if is_lock else CHECK_OF_FAULT
    problem = Problem(checks[fault], {"devices": device})
    return {
        "fault": fault.value,
        "since": since,
        "what": problem.what,
        "remedy": problem.remedy,
    }


def _command(one: Commanded) -> Document:
    return {
        "verb": one.verb.name.lower(),
        "level": one.level,
        "at": one.at,
        "outcome": one.outcome.name.lower(),
        "why": one.why or None,
    }
