"""Devices before a Z-Wave service without air, that ask to be taken in or out."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from tests.fakes.network import SHOWN
from tests.fakes.zwave import FakeService, node

NEW = 12


class Asked:
    """What a device does that asks to be taken in or out as soon as the stick listens.

    `number`: its node. `values`: what it has, when it is new.
    """

    def __init__(self, service: FakeService) -> None:
        self.number = NEW
        self.values: list[dict[str, Any]] = []
        self._service = service
        self._at_work: set[asyncio.Future[None]] = set()
        service.handlers |= {
            "node.ping": lambda _: {"responded": True},
            "endpoint.invoke_cc_api": lambda _: {"response": {"currentMode": 255}},
            "controller.begin_inclusion": lambda _: self._later(self.ask()),
            "controller.grant_security_classes": lambda _: self._later(self._shown()),
            "controller.validate_dsk_and_enter_pin": lambda _: self._later(self._taken_in()),
            "controller.begin_exclusion": lambda _: self._later(self._taken_out()),
        }

    def _later(self, saying: Coroutine[Any, Any, None]) -> dict[str, Any]:
        """Say something beside the answer."""
        work = asyncio.ensure_future(saying)
        self._at_work.add(work)
        work.add_done_callback(self._at_work.discard)
        return {"success": True}

    async def ask(self) -> None:
        """Ask to be taken in, as when its button is pressed."""
        requested = {"securityClasses": [2, 1], "clientSideAuth": False}
        await self._say("grant security classes", requested=requested)

    async def _shown(self) -> None:
        groups = "".join(f"-{group:05d}" for group in SHOWN)
        await self._say("validate dsk and enter pin", dsk=groups)

    async def _taken_in(self) -> None:
        new = node(self.number, self.values)
        await self._say("node added", node=new, result={"lowSecurity": False})

    async def _taken_out(self) -> None:
        if self.number == NEW:  # it came in before
            await self._taken_in()
        await self._say("node removed", node=node(self.number, []), reason=0)

    async def _say(self, event: str, **what: object) -> None:
        await self._service.say(source="controller", event=event, **what)
