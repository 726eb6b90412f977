"""Orders by the bridge of this building, at its local socket: no engine and no internet is needed.

Laws:
1. `by` is the operator whom the bridge's configuration names for the user of this server: nobody
   names himself there. Who ordered it stands in the acts of this server.
2. The bridge keeps an order, signs it by the site's key, and gives it to hubs that come later.
3. What the bridge answers is looked at before it is believed. What it refuses in words was not
   given.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hubcore.errors import LinkError
from hubctl.client import HUBBRIDGE, HubClient, NoAnswer
from hubsite.orders.giving.ways import NotGivenError, Receipt
from hubsite.orders.kept import Giving, HubSaid
from hubsite.orders.words import Answered, OrderKind, Told, WayName

ANSWER_SECONDS = 8.0
READINGS_SECONDS = 3.0
HUBS_MAX = 1024
_ID = re.compile(r"[0-9a-f]{32}")
_UNCLEAR = frozenset({"down", "timeout", "internal", "protocol", "version", "too-large"})
"""What leaves open whether the bridge has done what it was asked for."""
_ANSWERS = frozenset(str(one) for one in Answered)
Document = dict[str, Any]


class BridgeWay:
    """Asks the bridge, one connection a question."""

    name = WayName.BRIDGE
    gives_again = False
    points: Mapping[int, str] = {}

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self.is_up = False
        self.hubs: frozenset[str] = frozenset()

    async def connect(self) -> None:
        """Ask the bridge how it is. Raise LinkError, also when it gives no orders."""
        await self.look()

    async def close(self) -> None:
        """No connection stays."""
        self.is_up = False

    def remember(self, _hubs: Collection[str]) -> None:
        """Nothing: the bridge has said which hubs it knows when it was connected."""

    async def look(self) -> None:
        """Ask which hubs there are. Raise LinkError: then it is not up."""
        try:
            status = await asyncio.to_thread(_ask, self._socket, "site-status", {})
        except NoAnswer as error:
            self.is_up = False
            raise LinkError(str(error)) from error
        if status.get("orders_here") is not True:
            self.is_up = False
            why = status.get("orders_by")
            raise LinkError(f"The bridge gives no orders: {str(why)[:200]}")
        self.hubs = frozenset(_names(status.get("hubs")))
        self.is_up = True

    async def give(self, giving: Giving) -> Receipt:
        """Order it at the bridge. See `OrderWay.give`."""
        call, asked = question_of(giving, int(time.time()))
        try:
            client = await asyncio.to_thread(_client, self._socket, ANSWER_SECONDS)
        except NoAnswer as error:
            self.is_up = False
            raise NotGivenError(str(error)) from error
        try:
            answer = await asyncio.to_thread(_call, client, call, asked)
        except NoAnswer as error:
            if error.code in _UNCLEAR:
                self.is_up = False
                raise LinkError(str(error)) from error
            raise NotGivenError(f"The bridge refuses: {error}") from error
        reference = answer.get("order")
        if not isinstance(reference, str) or not _ID.fullmatch(reference):
            raise LinkError("The bridge's answer names no order. See: journalctl -u hubbridge")
        return Receipt(reference, tuple(_names(answer.get("hubs"))))

    async def answers(self, references: Sequence[str]) -> list[HubSaid]:
        """Ask what hubs have answered. Raise LinkError."""
        found: list[HubSaid] = []
        for reference in references:
            asked = {"order": reference}
            try:
                answer = await asyncio.to_thread(_ask, self._socket, "site-answers", asked)
            except NoAnswer as error:
                if error.code == "unknown-order":
                    continue
                self.is_up = False
                raise LinkError(str(error)) from error
            found += answers_of(reference, answer)
        return found


def question_of(giving: Giving, now: int) -> tuple[str, Document]:
    """Return the call at the bridge's socket, and its arguments."""
    wish = giving.wish
    if wish.told is not None:
        return "site-device", _told(wish.told)
    if wish.kind is OrderKind.RELEASE:
        return "site-release", {"hub": giving.hub, "point": wish.point}
    asked: Document = {"order": str(wish.kind), "on": wish.on}
    if wish.point is not None:
        asked |= {"hub": giving.hub, "point": wish.point}
    if wish.until is not None:
        asked["seconds"] = max(1, wish.until - now)
    return "site-order", asked


def _told(told: Told) -> Document:
    command = told.command
    word = command.verb.name.lower().replace("_", "-")
    asked: Document = {"hub": told.hub, "device": command.device, "verb": word}
    return asked if command.level is None else {**asked, "level": command.level}


def answers_of(reference: str, answer: Document) -> list[HubSaid]:
    """Read what hubs have answered; what cannot be read is none."""
    found = []
    for one in _hubs(answer.get("hubs")):
        said = one.get("answer")
        if said in _ANSWERS:
            detail = str(one.get("detail", ""))
            found.append(HubSaid(one["hub"], reference, Answered(str(said)), detail))
    return found


def readings_seen(socket: Path) -> Document:
    """Return what devices have said last (docs/bridge.md, `site-readings`). Raise LinkError."""
    try:
        return _ask(socket, "site-readings", {}, READINGS_SECONDS)
    except NoAnswer as error:
        raise LinkError(str(error)) from error


def _ask(socket: Path, call: str, asked: Document, seconds: float = ANSWER_SECONDS) -> Document:
    """Raise NoAnswer."""
    return _call(_client(socket, seconds), call, asked)


def _client(socket: Path, seconds: float) -> HubClient:
    return HubClient(socket, answer_seconds=seconds, daemon=HUBBRIDGE)


def _call(client: HubClient, call: str, asked: Document) -> Document:
    with client:
        answer = client.call(call, **asked)
    if not isinstance(answer, dict):
        raise NoAnswer("protocol", "The bridge's answer cannot be read.")
    return answer


def _hubs(listed: object) -> Iterable[Document]:
    rows = listed if isinstance(listed, list) else []
    for one in rows[:HUBS_MAX]:
        if isinstance(one, dict) and isinstance(one.get("hub"), str) and len(one["hub"]) <= 64:
            yield one


def _names(listed: object) -> list[str]:
    return [one["hub"] for one in _hubs(listed)]
