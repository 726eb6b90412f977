"""The demo's second act: the internet is cut, and the site goes on with its bridge.

A real gateway before a real engine has taken the backend's place by then.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from hubcore.access.precedence import DoorOrder
from hubcore.bridge.site.order import CredentialDisabled, DoorsOrder
from hubcore.errors import LinkError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind, facts
from hubcore.phone.messages import Reason
from hubsim.bridge.running import SiteBridge
from hubsim.site import DAY
from hubsim.stage import Stage, StageError

if TYPE_CHECKING:  # its library is not there on each laptop
    from hubsim.bridge.behind import BackendBehind

HUB = "hub-1"
Done = tuple[str, str, Any, Any]
"""Of a record: its kind, which order it is, whether that began, and why it was refused."""
DONE_ALONE: list[Done] = [
    ("access", "", None, None),
    ("order", "lockdown", True, None),
    ("access", "", None, "lockdown"),
    ("order", "lockdown", False, None),
    ("order", "credential_disabled", True, None),
    ("access", "", None, "credential-disabled"),
]
"""What the site does while the internet is gone."""


class Steps(Protocol):
    """What the demo prints."""

    def done(self, what: str, took_seconds: float | None = None) -> None:
        """A step has happened."""


class Phones(Protocol):
    """The phones of the demo, at its stage."""

    @property
    def stage(self) -> Stage:
        """Where everything runs."""

    @property
    def steps(self) -> Steps:
        """Who prints the steps."""

    async def opens(self, name: str) -> None:
        """A phone opens the front door, or this raises."""

    async def refused(self, name: str, what: str, reason: Reason) -> None:
        """A phone is refused for this reason, or this raises."""


class SecondAct:
    """The internet is cut, and the site goes on with its bridge."""

    def __init__(self, phones: Phones, bridge: SiteBridge, backend: BackendBehind) -> None:
        self._phones = phones
        self._bridge = bridge
        self._backend = backend
        self._stage = phones.stage
        self._steps = phones.steps

    async def run(self) -> None:
        """Show it. Raise StageError, or what `Phones` raises, for a step that did not happen."""
        took = await self._stage.until(self._is_whole, "the engine has each record once")
        self._steps.done(
            "a gateway before a NATS engine is the backend now: it has all records", took
        )
        await self._stage.until(self._is_held, "the bridge holds each record of the hub")
        await self._stage.until(self._is_durable, "the bridge has the backend's receipt")
        self._steps.done("a bridge on site holds each record, and the backend's signed receipt")
        await self._backend.cut()
        before = await self._last()
        await self._phones.opens("anna")
        self._steps.done("the internet is cut: the phone opens the door as before")
        until = int(time.time()) + DAY
        began = time.monotonic()
        await self._bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, until), HUB)
        took = time.monotonic() - began
        self._steps.done("the site locks all doors down from its bridge, by its own key", took)
        await self._phones.refused("anna", "the phone, in the lockdown of the site", Reason.LOCKED)
        await self._bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, None), HUB)
        lost = self._stage.site.credential("anna")
        await self._bridge.order(CredentialDisabled(lost, until), HUB)
        await self._phones.refused("anna", "the phone that the site has disabled", Reason.NO_RIGHT)
        await self._stage.until(self._is_held, "the bridge holds what the site did")
        await self._backend.begin()
        took = await self._stage.until(self._is_whole, "the engine has each record once")
        await self._stage.until(self._is_settled, "no record waits at the hub")
        await self._stage.until(self._is_durable, "the bridge has the receipt of all records")
        if (did := await self._done_after(before)) != DONE_ALONE:
            raise StageError(f"the engine says that the site did something else alone: {did}")
        self._steps.done("the internet is back: all is in the engine once, in its order", took)

    async def _done_after(self, number: int) -> list[Done]:
        """Return what was decided and ordered after a record, as the engine has it."""
        after = [one for one in await self._backend.records(HUB) if one.number > number]
        found = [facts(one.body) for one in after]
        return [
            (str(one["kind"]), str(one.get(Fact.ORDER, "")), one.get(Fact.ON), one[Fact.WHY])
            for one in found
            if one["kind"] in (RecordKind.ACCESS, RecordKind.ORDER)
        ]

    async def _last(self) -> int:
        return int((await self._stage.hub("status"))["records"]["last"])

    async def _is_held(self) -> bool:
        return self._bridge.held(HUB) >= await self._last()

    async def _is_durable(self) -> bool:
        return self._bridge.durable(HUB) >= await self._last()

    async def _is_settled(self) -> bool:
        return bool((await self._stage.hub("status"))["records"]["waiting"] == 0)

    async def _is_whole(self) -> bool:
        last = await self._last()
        try:
            numbers = [one.number for one in await self._backend.records(HUB)]
        except LinkError:
            return False
        return numbers == list(range(1, last + 1))
