"""A way of orders that a test drives: it keeps what it was given, answers, and fails as told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from hubcore.errors import LinkError
from hubsite.orders.giving.ways import NotGivenError, Receipt
from hubsite.orders.kept import Giving, HubSaid
from hubsite.orders.words import Answered, WayName


class FakeWay:
    """By the engine each hub has its letter; a bridge has ids of its own, and gives again.

    `answer` is what hubs say, None for nothing.
    """

    def __init__(self, name: WayName = WayName.ENGINE) -> None:
        self.name = name
        self.gives_again = name is WayName.ENGINE
        self.there = frozenset({"hub-1", "hub-2"})
        """What a look finds."""
        self.hubs: frozenset[str] = frozenset()
        self.points: Mapping[int, str] = {1: "hub-1", 2: "hub-2"}
        self.is_there = True
        self.is_up = False
        self.failure: LinkError | None = None
        self.answer: Answered | None = Answered.TAKEN
        self.given: list[Giving] = []
        self.said: list[HubSaid] = []
        self.looks = 0
        self.look_hangs_after = 0
        """So many looks have an end; 0: each one has, and -1: none."""

    async def connect(self) -> None:
        if not self.is_there:
            raise LinkError("nobody listens there")
        self.is_up = True

    async def close(self) -> None:
        self.is_up = False

    def remember(self, hubs: Collection[str]) -> None:
        self.hubs = frozenset(hubs)

    async def look(self) -> None:
        if not self.is_there:
            self.is_up = False
            raise LinkError("nobody listens there")
        self.looks += 1
        if self.look_hangs_after and self.look_hangs_after < self.looks:
            await asyncio.Event().wait()
        self.hubs = self.there

    async def give(self, giving: Giving) -> Receipt:
        if not self.is_there:
            self.is_up = False
            raise NotGivenError("nobody listens there")
        if self.failure is not None:
            raise self.failure
        self.given.append(giving)
        if self.gives_again:
            letters = [(letter.hub, letter.message.hex()) for letter in giving.letters]
            receipt = Receipt()
        else:
            letters = [(hub, giving.key) for hub in sorted(self.hubs)]
            receipt = Receipt(giving.key, tuple(sorted(self.hubs)))
        if self.answer is not None:
            self.said += [HubSaid(hub, id_, self.answer, "as told") for hub, id_ in letters]
        return receipt

    async def answers(self, _references: Sequence[str]) -> list[HubSaid]:
        said = self.said
        self.said = []
        return said
