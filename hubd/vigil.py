"""The use case that looks after the hub itself: what is wrong stands as a problem, with what to do about it.

Law: a problem stands while its cause does and not longer; its sentences are for a technician who stands at the hub.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hubd.clockcare import ClockCare
from hubd.core.epochs import EpochRing
from hubd.core.records import Value
from hubd.health import Health, Problem, Severity
from hubd.ports import Clock
from hubd.sync import Sync

CHECK_SECONDS = 2.0
DAY_SECONDS = 86_400
CERTIFICATE_DAYS = 30
BACKEND_DOWN_SECONDS = 60.0
AGREE_SECONDS = 60.0
READY_PARTS = frozenset({"strikes"})

REMEDIES: Mapping[str, str] = {
    "radio": "The hub tries again by itself. Check the adapter: bluetoothctl list; systemctl status bluetooth; rfkill "
    "list. If it stands: sudo systemctl restart bluetooth, then plug the adapter in anew.",
    "bluez": "Doors go on opening. See that /usr/lib/hubd/bluez-main.conf and its drop-in are there (make install), "
    "then: sudo systemctl daemon-reload; sudo systemctl restart bluetooth.",
    "pairing": "Doors go on opening. If it was not paired on purpose: bluetoothctl devices Paired; then bluetoothctl "
    "remove ADDRESS.",
    "strikes": "Check strike of [[doors]] against gpioinfo, and the group of /dev/gpiochip*.",
    "gpio": "Set dtparam=strict_gpiod in config.txt, so that a strike falls back even when its guard is killed.",
    "inputs": "Check dps and rex of [[doors]] against gpioinfo.",
    "audit": "Make room on the disk of the state directory: no door opens while nothing can be recorded.",
}
WARNINGS = frozenset({"bluez", "pairing"})
"""The parts without which everything works, but not as well."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked after; `certificate_expires` in Unix seconds."""

    clock: Clock
    epochs: EpochRing
    certificate_expires: int
    sync: Callable[[], Sync | None]
    time: ClockCare


class Vigil:
    """Keeps the standing problems."""

    def __init__(self, health: Health, tell: Callable[[str, Mapping[str, Value]], None]) -> None:
        self._health, self._tell = health, tell
        self._parts: dict[str, tuple[bool, str]] = {}
        self._heard: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def heard(self, name: str) -> None:
        """Return once a part has come up or said why it cannot."""
        await self._heard[name].wait()

    def part(self, name: str, up: bool, why: str) -> None:
        """A part came up or went down, or is down for another reason; `why` is a sentence."""
        if name in READY_PARTS:
            self._health.part(name, up)
        severity = Severity.WARNING if name in WARNINGS else Severity.ERROR
        self._stand(name, severity, None if up else why or f"{name}: down", REMEDIES.get(name, "See the journal."))
        told, said = self._parts.get(name, (None, ""))
        if told is not up or (not up and why != said):
            self._parts[name] = up, why
            self._tell("part", {"part": name, "up": up, "why": why})
        self._heard[name].set()

    async def run(self, watched: Watched) -> None:
        """Look again every CHECK_SECONDS until cancelled."""
        while True:
            await self.care(watched)
            await asyncio.sleep(CHECK_SECONDS)

    async def care(self, watched: Watched) -> None:
        """Look once, and do what can be done without a person."""
        self.look(watched)
        await watched.time.care()

    def stands(self, name: str) -> bool:
        """Tell whether a problem stands."""
        return any(problem.id == name for problem in self._health.problems())

    def look(self, watched: Watched) -> None:
        """Compare what is with what should be."""
        now = watched.clock.wall()
        trouble = watched.time.trouble()
        if trouble is None:
            self._health.clear("clock")
        else:
            self._stand("clock", trouble.severity, trouble.what, trouble.remedy)
        self._stand(
            "epoch",
            Severity.WARNING,
            None if watched.epochs.current else "There is no epoch key yet: phones are told that the hub is busy.",
            "Wait; making an RSA key takes a small board up to a minute. If this stands, see the journal.",
        )
        days = int((watched.certificate_expires - now) // DAY_SECONDS)
        self._stand(
            "certificate",
            Severity.ERROR if days < 0 else Severity.WARNING,
            None if days > CERTIFICATE_DAYS else f"The hub's certificate ends in {days} days: phones then refuse it.",
            "Have the issuer certify the hub anew, and put the file where [keys] certificate says.",
        )
        sync = watched.sync()
        state = sync.state if sync else None
        down = state is not None and not state.connected and now - state.since > BACKEND_DOWN_SECONDS
        self._stand(
            "backend",
            Severity.WARNING,
            f"The backend is out of reach: {state.why}" if down and state else None,
            "The hub decides by itself and keeps its records meanwhile. Check the network and [backend] endpoint.",
        )

    def _stand(self, name: str, severity: Severity, what: str | None, remedy: str) -> None:
        if what is None:
            self._health.clear(name)
        else:
            self._health.set(Problem(name, severity, what, remedy))


def agrees(sync: Sync | None) -> bool:
    """Tell whether the backend's time is this hub's."""
    offset = sync.state.clock_offset_seconds if sync and sync.state.connected else None
    return offset is not None and abs(offset) <= AGREE_SECONDS
