"""What `hubctl door NAME` and its dry run show: one document, put together from those who know.

Laws:
1. It only reads. It names no person: of who ordered something the beginning is told, or the number
   of the user of this machine.
2. What hubd does not hear is null. Of an exit button it hears only that it is pressed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hubcore.access.precedence import DoorMode
from hubcore.access.words import Denial
from hubcore.checks import Part
from hubcore.evidence.facts import Fact, shown
from hubcore.ports.doors import Mover
from hubd.config.doors import Door
from hubd.doors.drive import REST_WAIT_SECONDS
from hubd.doors.watch import DoorWatch
from hubd.orders.carried import CarriedOrders
from hubd.orders.standing import OrderSource, StandingOrders
from hubd.technician.decisions import LastDecisions
from hubd.technician.names import Meant
from hubd.upkeep.status import Status

Document = Mapping[str, object]

_PART_OF = {"strike": Part.STRIKES, "maglock": Part.STRIKES, "relay_strike": Part.RELAY_STRIKES}
"""What must be up for a mover of a kind to be driven; a lock says by itself whether it answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorReport:
    """Who knows what."""

    status: Status
    standing: StandingOrders
    carried: CarriedOrders
    watch: DoorWatch
    movers: Mapping[str, Mover]
    decisions: LastDecisions
    why_shut: Callable[[Sequence[int]], Denial | None]
    is_up: Callable[[Part], bool]

    def door(self, meant: Meant) -> Document:
        """Return all that is known of a door."""
        door = meant.door
        return {
            **self.status.door(door),
            "orders": self._orders(door),
            "lines": _lines(door),
            "since": self.decisions.since,
            "decisions": [one.document() for one in self.decisions.newest_first(door.id)],
        }

    def dry_run(self, meant: Meant) -> Document:
        """Return what a release would do now, with nothing driven."""
        door = meant.door
        mover = self.movers[door.id]
        rest_seconds = mover.must_rest_seconds(door.strike_seconds)
        why = self.why_shut(meant.numbers)
        if why is None and rest_seconds > REST_WAIT_SECONDS:
            why = Denial.BUSY
        return {
            "door": door.id,
            "points": list(meant.numbers),
            "would": "granted" if why is None else str(why),
            "mode": self.standing.mode(door.id).value,
            "orders": self._orders(door),
            "release_seconds": min(door.strike_seconds, door.cap_seconds),
            "rest_seconds": rest_seconds,
            "driven": mover.driven,
            "bolt": self.watch.aspects(door.id).bolt.value,
            "movers": self._movers(door),
            "inputs": self._inputs(door),
            "lines": _lines(door),
            "pulsed": False,
        }

    def _orders(self, door: Door) -> list[Document]:
        """Return the orders of a door with who gave them, the one that decides first."""
        given = {(one.order, one.uid is not None): one for one in self.carried.of_door(door.id)}
        found: list[Document] = []
        for one in self.standing.shown(door.id):
            here = one.source == OrderSource.TECHNICIAN
            is_of_people = here or one.source.startswith(OrderSource.BACKEND)
            by = given.get((one.order, here)) if is_of_people else None
            found.append(
                {
                    "order": one.order.name.lower(),
                    "source": one.source,
                    "until": one.until,
                    "by": None if by is None else shown({Fact.ASKER: by.by})["asker"],
                    "uid": None if by is None else by.uid,
                }
            )
        return found

    def _movers(self, door: Door) -> list[Document]:
        found: list[Document] = []
        for told in self.status.movers(door):
            part = _PART_OF.get(str(told["kind"]))
            up = told.get("answers") if part is None else self.is_up(part)
            found.append({**told, "up": up})
        return found

    def _inputs(self, door: Door) -> Document:
        aspects = self.watch.aspects(door.id)
        burns = self.standing.mode(door.id) is DoorMode.LOCKED_OPEN
        known: dict[str, object] = {
            "dps": aspects.position.value,
            "dps_second": "tamper" if aspects.tamper else aspects.position.value,
            "rex": "pressed" if self.watch.asks_out(door.id) else None,
            "bolt": aspects.bolt.value,
            "fire": "alarm" if burns else "quiet",
        }
        return {role: known.get(role) for role in door.inputs()}


def _lines(door: Door) -> list[Document]:
    return [
        {"role": wired.role, "chip": wired.line.chip, "line": wired.line.line}
        for wired in door.lines()
    ]
