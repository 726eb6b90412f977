"""The Z-Wave network on the local socket: how it stands, and what a technician does with it.

Law: what is typed of a key goes to the act alone. It is in no answer, no log and no record.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from hubcore.ports.network import DSK_GROUPS, PIN_MAX
from hubd.calls.words import TECHNICIAN, Arguments
from hubd.networks.acts import (
    WITHIN_SECONDS_MAX,
    Act,
    ActBusyError,
    ActState,
    NetworkActs,
    PrintedKey,
    Wanted,
)
from hubd.upkeep.shown.network import NetworkReport
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role

_PIN = re.compile(r"\d{5}", re.ASCII)
_DSK = re.compile(r"\d{5}(-\d{5}){7}", re.ASCII)
_OF_A_NODE = (Act.PING, Act.HEAL, Act.REMOVE_FAILED)


class NetworkCalls:
    """A method for each call."""

    def __init__(self, acts: NetworkActs | None, report: NetworkReport) -> None:
        """`acts` is None for a hub without a Z-Wave network behind zwave-js."""
        self._acts = acts
        self._report = report

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (
            Call("zwave", self.show),
            Call("zwave-act", self.act, role=Role.ACT),
            Call("zwave-wait", self.wait, role=Role.ACT, goes_on=True),
            Call("zwave-stop", self.stop, role=Role.ACT, goes_on=True),
        )

    async def show(self, _arguments: Arguments, _caller: object) -> object:
        """Answer how the network and its nodes are."""
        under_way = None if self._acts is None else self._acts.under_way()
        document = self._report.document()
        return {**document, "under_way": None if under_way is None else under_way.act.value}

    async def act(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Begin an act; takes {act, node, pin or dsk, seconds}, answers how it stands."""
        acts = self._there()
        wanted = _wanted(arguments)
        try:
            return self._shown(await acts.begin(wanted, TECHNICIAN, caller.uid))
        except ActBusyError as error:
            raise CallRefused("busy", f"{error}.") from error

    async def wait(self, arguments: Arguments, _caller: object) -> object:
        """Wait for news of an act; takes {number, round}, answers how it stands."""
        match arguments.get("number"), arguments.get("round"):
            case int(number), int(after):
                return self._known(await self._there().wait(number, after))
        raise CallRefused("bad-act", "`number` and `round` are the numbers of an act.")

    async def stop(self, arguments: Arguments, _caller: object) -> object:
        """Stop an act; takes {number}, answers how it ended."""
        match arguments.get("number"):
            case int(number):
                return self._known(await self._there().stop(number))
        raise CallRefused("bad-act", "`number` is the number of an act.")

    def _there(self) -> NetworkActs:
        if self._acts is not None:
            return self._acts
        if self._report.config.openzwave is not None:
            raise CallRefused(
                "openzwave-cannot",
                "This network is driven by OpenZWave, and hubd can only command its nodes. Take "
                "devices in and out by the program that the network was made with.",
            )
        raise CallRefused(
            "no-zwave", "This hub has no Z-Wave network: put a section [zwave] into hubd.toml."
        )

    def _known(self, state: ActState | None) -> object:
        if state is None:
            raise CallRefused("no-act", "There is no such act any more: look, and begin again.")
        return self._shown(state)

    def _shown(self, state: ActState) -> Mapping[str, Any]:
        included = state.included
        return {
            "number": state.number,
            "round": state.round,
            "act": state.act.value,
            "phase": state.phase.value,
            "node": state.node,
            "devices": [] if not state.node else self._report.configured(state.node),
            "shown": "-".join(f"{group:05d}" for group in state.shown) or None,
            "fits": state.fits,
            "answered": state.answered,
            "security": None if included is None else included.node.security.value,
            "low_security": None if included is None else included.low_security,
            "is_lock": None if included is None else included.node.is_lock,
            "why": state.why or None,
        }


def _wanted(arguments: Arguments) -> Wanted:
    """Raise CallRefused."""
    try:
        act = Act(str(arguments.get("act")))
    except ValueError as error:
        raise CallRefused("bad-act", f"There are the acts {', '.join(Act)}.") from error
    node = arguments.get("node")
    seconds = arguments.get("seconds", WITHIN_SECONDS_MAX)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise CallRefused("bad-act", "`seconds` is a number.")
    if not (math.isfinite(seconds) and 0 < seconds <= WITHIN_SECONDS_MAX):
        raise CallRefused("bad-act", f"`seconds` is at most {WITHIN_SECONDS_MAX:g}.")
    is_node = isinstance(node, int) and not isinstance(node, bool)
    if is_node is not (act in _OF_A_NODE):
        raise CallRefused("bad-act", f"`node` is a number for {', '.join(_OF_A_NODE)} alone.")
    return Wanted(
        act=act,
        within_seconds=float(seconds),
        node=node if isinstance(node, int) else None,
        key=_key(arguments) if act is Act.INCLUDE else None,
    )


def _key(arguments: Arguments) -> PrintedKey:
    """Raise CallRefused, with a sentence that tells nothing of what was typed."""
    match arguments.get("pin"), arguments.get("dsk"):
        case str(pin), None if _PIN.fullmatch(pin) and int(pin) <= PIN_MAX:
            return PrintedKey(int(pin))
        case None, str(dsk) if _DSK.fullmatch(dsk):
            first, *rest = map(int, dsk.split("-"))
            if len(rest) == DSK_GROUPS and max(first, *rest) <= PIN_MAX:
                return PrintedKey(first, tuple(rest))
    raise CallRefused(
        "bad-key",
        "Expected the key that is printed on the device: its first five digits as `pin`, or all "
        "eight groups of five digits, with a - between, as `dsk`. No group is above 65535.",
    )
