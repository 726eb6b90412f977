"""The demo's second act: the backend is gone, and the site goes on with its bridge."""

from __future__ import annotations

import time
from typing import Protocol

from hubcore.access.precedence import DoorOrder
from hubcore.bridge.site.order import CredentialDisabled, DoorsOrder
from hubcore.phone.messages import Reason
from hubsim.bridge.running import SiteBridge
from hubsim.site import DAY
from hubsim.stage import Stage


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

    def __init__(self, phones: Phones, bridge: SiteBridge) -> None:
        self._phones = phones
        self._bridge = bridge
        self._stage = phones.stage
        self._steps = phones.steps

    async def run(self) -> None:
        """Show it. Raise StageError, or what `Phones` raises, for a step that did not happen."""
        await self._stage.until(self._is_held, "the bridge holds each record of the hub")
        self._steps.done("a bridge on site holds each record of the hub, over TLS 1.3")
        await self._stage.stop("backend")
        await self._phones.opens("anna")
        self._steps.done("the backend is gone: the phone opens the door as before")
        until = int(time.time()) + DAY
        began = time.monotonic()
        await self._bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, until), "hub-1")
        took = time.monotonic() - began
        self._steps.done("the site locks all doors down from its bridge, by its own key", took)
        await self._phones.refused("anna", "the phone, in the lockdown of the site", Reason.LOCKED)
        await self._bridge.order(DoorsOrder(DoorOrder.LOCKDOWN, None, None), "hub-1")
        lost = self._stage.site.credential("anna")
        await self._bridge.order(CredentialDisabled(lost, until), "hub-1")
        await self._phones.refused("anna", "the phone that the site has disabled", Reason.NO_RIGHT)
        await self._stage.until(self._is_held, "the bridge holds what the site did")
        await self._stage.start_backend()
        took = await self._stage.until(self._is_whole, "the backend has each record")
        self._steps.done("the backend is back: each record is there once, in its order", took)

    async def _is_held(self) -> bool:
        last = (await self._stage.hub("status"))["records"]["last"]
        return bool(self._bridge.held("hub-1") >= last)

    async def _is_whole(self) -> bool:
        last = (await self._stage.hub("status"))["records"]["last"]
        numbers = [record["number"] for record in await self._stage.records()]
        return len(numbers) >= last and numbers == list(range(1, len(numbers) + 1))
