"""What the radio does, and what became of the last unlocks, on the local socket."""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.checks import Topic
from hubd.calls.words import Arguments
from hubd.phones.links import Links
from hubd.phones.seen import Failure, LinkSeen
from hubd.upkeep.lately.traces import KEPT, Traces
from hubd.upkeep.standing import StandingProblems
from hublocal.calls import Call, CallRefused


class RadioCalls:
    """A method for each call."""

    def __init__(
        self,
        links: Links,
        traces: Traces,
        problems: StandingProblems,
        doors: Mapping[int, str],
    ) -> None:
        """`doors` has the door of each access point."""
        self._links = links
        self._traces = traces
        self._problems = problems
        self._doors = sorted(set(doors.values()))

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("radio", self.radio),
            Call("trace", self.trace),
        )

    async def radio(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the radio is, and who is connected; no phone is named."""
        seen = self._links.radio_seen
        adapter = self._links.adapter()
        return {
            "adapter": None
            if adapter is None
            else {
                "name": adapter.name,
                "address": adapter.address,
                "powered": adapter.powered,
                "generation": adapter.generation,
            },
            "advertising": {
                "on_air": seen.on_air,
                "since": seen.on_air_since,
                "why": self._problems.cause(Topic.RADIO),
            },
            "links": [_link(link) for link in self._links.seen()],
            "link_places": self._links.places,
            "last_link": seen.last_link,
            "last_failure": None if seen.last_failure is None else _failure(seen.last_failure),
        }

    async def trace(self, arguments: Arguments, _caller: object) -> object:
        """Answer the newest unlocks, newest first; takes {door} and {last}, or neither."""
        door = arguments.get("door")
        last = arguments.get("last", 2 * KEPT)
        if door is not None and door not in self._doors:
            raise CallRefused("unknown-door", f"There are the doors {', '.join(self._doors)}.")
        if not isinstance(last, int) or isinstance(last, bool) or last < 1:
            raise CallRefused("bad-last", "`last` is how many unlocks: a number from 1.")
        return self._traces.document(None if door is None else str(door), last)


def _link(link: LinkSeen) -> Mapping[str, object]:
    return {
        "number": link.number,
        "since": link.since,
        "phase": link.phase.name.lower(),
        "rssi": link.rssi,
        "point": link.access_point,
    }


def _failure(failure: Failure) -> Mapping[str, object]:
    return {
        "at": failure.at,
        "code": failure.code,
        "says": failure.says,
    }
