"""The use case that looks after the hub itself: what is wrong stands as a problem, with what to do about it.

Laws:
1. A problem stands while its cause does and not longer.
2. Its sentences are for a technician who stands at the hub.
3. The journal has each problem when it begins to stand, when it becomes graver, when it ends, and once a day meanwhile.
4. The beginning of a part's problem is in the journal once: as the part's own event. What stands at every start for a
   moment (QUIET) is in the journal only when it has stood for a day.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hubcore.evidence.records import Value
from hubcore.phone import certificates as certdays
from hubcore.phone.certificates import DAY_SECONDS, Standing
from hubcore.phone.epochs import EpochRing
from hubcore.ports.clock import Clock
from hubcore.timing.moment import show_seconds
from hubd.backend.sync import LinkState, Sync
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.health import Health, Problem, Severity

CHECK_SECONDS = 2.0
BACKEND_DOWN_SECONDS = 60.0
AGREE_SECONDS = 60.0
EVIDENCE_SECONDS = 150.0
"""For so long the backend may acknowledge nothing while records wait."""
READY_PARTS = frozenset({"strikes"})

REMEDIES: Mapping[str, str] = {
    "radio": "The hub tries again by itself. Check the adapter: bluetoothctl list; systemctl status bluetooth; rfkill "
    "list. No bluetoothd at all: sudo apt install bluez. If it stands: sudo systemctl restart bluetooth, then plug the "
    "adapter in again.",
    "bluez": "Doors go on opening. See that /usr/lib/hubd/bluez-main.conf and its drop-in are there (make install), "
    "then: sudo systemctl daemon-reload; sudo systemctl restart bluetooth.",
    "pairing": "Doors go on opening. If it was not paired on purpose: bluetoothctl devices Paired; then bluetoothctl "
    "remove ADDRESS.",
    "strikes": "Check strike of [[doors]] against gpioinfo (apt install gpiod), and the group of /dev/gpiochip*.",
    "gpio": "Set dtparam=strict_gpiod in config.txt, so that a strike falls back even when its guard is killed.",
    "inputs": "Check dps and rex of [[doors]] against gpioinfo (apt install gpiod).",
    "audit": "No phone opens a door while nothing can be recorded. hubd goes on by itself when the cause has ended.",
}
QUIET = frozenset({"epoch"})
"""What stands at every start for a moment."""
WARNINGS = frozenset({"bluez", "pairing"})
"""The parts without which everything works, but not as well."""
_HALTS: Mapping[str, tuple[str, str]] = {
    "two_hubs": (
        "Two machines speak to the backend as this hub: one is a copy, with its keys and its id.",
        "Doors open for phones, remote orders are refused. Decide on the backend's machine which one stays: "
        "hubsim backend --at SITE keep HUB BOOT. Give the other one an id and keys of its own.",
    ),
    "fork": (
        "The backend holds other records of this hub than those here: the state directory was replaced, restored from "
        "a copy, or changed.",
        "Doors open for phones, remote orders are refused, no record goes up. Keep the old state directory if there is "
        "one: it is evidence. Look: sudo hubctl audit verify. If the state was replaced on purpose, on the backend's "
        "machine: hubsim backend --at SITE accept HUB. It keeps the old records under a name of their own.",
    ),
    "gap": (
        "The backend waits for a record of this hub that does not come: it is lost among those that wait here, or it "
        "was lost there.",
        "Doors open for phones, remote orders are refused, no record goes up. Look: sudo hubctl audit verify. To go on "
        "behind the gap, on the backend's machine: hubsim backend --at SITE accept HUB.",
    ),
}
"""What a backend may say of a hub's records: what it means, and what to do."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What is looked after; `certificate_expires` in Unix seconds."""

    clock: Clock
    epochs: EpochRing
    certificate_expires: int
    sync: Callable[[], Sync | None]
    time: ClockCare
    certificate_begins: int = 0
    certificate_file: str = "the file of [keys] certificate"
    backend_key_file: str = "the file of [keys] backend_public"
    """Files as the installer knows them."""


class Vigil:
    """Keeps the standing problems."""

    def __init__(self, health: Health, tell: Callable[[str, Mapping[str, Value]], None]) -> None:
        self._health, self._tell = health, tell
        self._parts: dict[str, tuple[bool, str]] = {}
        self._told: dict[str, tuple[Severity, float]] = {}
        """The problems that the journal has as standing: how grave, and when it was told last, monotonic seconds."""
        self._said = set[str]()
        """Those of them that it has as problems: the rest it has as parts, or does not have yet."""
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
            self._told.pop(name, None)  # its day begins again
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
        now, monotonic = watched.clock.wall(), watched.clock.monotonic()
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
        severity, what = _certificate(watched, now)
        self._stand(
            "certificate",
            severity,
            what,
            f"Have the issuer renew it for the same key, put it into {watched.certificate_file}, then: sudo systemctl "
            "restart hubd. A new file is not read before.",
        )
        sync = watched.sync()
        state = sync.state if sync else None
        down = state is not None and not state.connected and now - state.since > BACKEND_DOWN_SECONDS
        self._stand(
            "backend",
            Severity.WARNING,
            f"The backend is out of reach: {state.why}" if down and state else None,
            "The hub decides by itself and keeps its records meanwhile. Check the network and [backend] endpoint. If a "
            f"key is meant: the backend's own public key must be the one in {watched.backend_key_file}, and it must "
            "know this hub's; sudo /opt/hubd/bin/hubd --check-config shows both.",
        )
        self._look_at_evidence(state)
        self._journal(monotonic)

    def _look_at_evidence(self, state: LinkState | None) -> None:
        """Records that go nowhere are a problem, and so is what the backend says of them."""
        for cause, (what, remedy) in _HALTS.items():
            stands = state is not None and state.halt == cause
            self._stand(cause, Severity.ERROR, f"{what} {_held(state)}" if stands and state else None, remedy)
        waited = state.unacknowledged_seconds if state else None
        stuck = state and waited is not None and waited > EVIDENCE_SECONDS and state.connected and not state.halt
        why = state.why if state and state.why else "it takes them and says nothing"
        self._stand(
            "evidence",
            Severity.ERROR,
            f"The oldest of {state.waiting} records has waited {waited:.0f} s for the backend's receipt: {why}."
            if stuck and state
            else None,
            "The hub keeps them and decides by itself. Look at the backend: is its disk full, does it tell of a fork? "
            "Then look here: sudo hubctl audit verify.",
        )

    def _stand(self, name: str, severity: Severity, what: str | None, remedy: str) -> None:
        if what is None:
            self._health.clear(name)
        else:
            self._health.set(Problem(name, severity, what, remedy))

    def _journal(self, now: float) -> None:
        """Tell the journal which problems began, became graver, ended, or stand for another day."""
        standing = {problem.id: problem for problem in self._health.problems()}
        self._told = {name: told for name, told in self._told.items() if name in standing}
        for name in sorted(self._said - standing.keys()):
            self._said.remove(name)
            self._tell("problem", {"problem": name, "stands": False})
        for name, problem in standing.items():
            begins = name not in self._told
            severity, at = self._told.get(name, (problem.severity, now))
            if not begins and severity is problem.severity and now - at < DAY_SECONDS:
                continue
            self._told[name] = problem.severity, now
            if begins and (name in QUIET or name in self._parts):
                continue
            self._said.add(name)
            facts: dict[str, Value] = {"problem": name, "stands": True, "severity": str(problem.severity)}
            self._tell("problem", {**facts, "what": problem.what, "remedy": problem.remedy})


def _certificate(watched: Watched, now: float) -> tuple[Severity, str | None]:
    """Judge the certificate by the wall clock: how grave, and what is wrong, None when nothing is."""
    ends = show_seconds(watched.certificate_expires)
    match certdays.judge(watched.certificate_begins, watched.certificate_expires, now):
        case Standing.ENDED:
            return Severity.ERROR, f"The hub's certificate ended on {ends}: phones refuse it."
        case Standing.NOT_YET:
            begins = show_seconds(watched.certificate_begins)
            return Severity.ERROR, f"The hub's certificate begins on {begins}: phones refuse it until then."
        case Standing.VALID:
            return Severity.WARNING, None
        case Standing.ENDING:
            return (
                Severity.WARNING,
                f"The hub's certificate ends {_left(watched, now)}, on {ends}: phones then refuse it.",
            )


def _left(watched: Watched, now: float) -> str:
    """Say in how many days the certificate ends."""
    days = int((watched.certificate_expires - now) // DAY_SECONDS)
    return f"in {days} day{'s' if days > 1 else ''}" if days else "in less than a day"


def _held(state: LinkState) -> str:
    """Say what the backend knows this hub by."""
    if state.halt == "two_hubs":
        return f"This one's boot id begins with {state.boot[:8]}."
    number = (state.known or "0:").partition(":")[0]
    return "It holds none." if number == "0" else f"The newest that it holds is {state.known}."


def agrees(sync: Sync | None) -> bool:
    """Tell whether the backend's time is this hub's."""
    offset = sync.state.clock_offset_seconds if sync and sync.state.connected else None
    return offset is not None and abs(offset) <= AGREE_SECONDS
