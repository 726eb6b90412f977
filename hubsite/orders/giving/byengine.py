"""Orders by the engine: a message a hub on `hub.commands.HUB`.

Laws:
1. `by` is the name of the operator, as the policy has it. The hub judges by its policy.
2. Each message has an id of its own, and must be taken until its end.
3. Answers are read elsewhere, with those about policies: there is one reader (`hubsite.hubs`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.from_backend import Act, Order, Release
from hubcore.codec.cose import VerifyKey
from hubcore.errors import HubError, LinkError, StoreError
from hubcore.phone.certificates import read_hub_certificate
from hubsite.config import Engine
from hubsite.hubs.engine import HubsEngine
from hubsite.orders.giving.ways import NotGivenError, Receipt
from hubsite.orders.kept import Giving, HubSaid
from hubsite.orders.letters import Letter
from hubsite.orders.words import RULES, WayName

AT_ONCE = 32
"""So many messages wait for the engine's word at a time."""


class EngineWay:
    """Gives orders on a connection of its own: nothing that is signed or read holds them up."""

    name = WayName.ENGINE
    gives_again = True

    def __init__(self, site: str, engine: Engine, issuer: VerifyKey) -> None:
        self._site = site
        self._config = engine
        self._issuer = issuer
        self._engine: HubsEngine | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self.hubs: frozenset[str] = frozenset()
        self.points: Mapping[int, str] = {}

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._engine is not None and self._engine.is_up

    async def connect(self) -> None:
        """Connect. Raise LinkError."""
        self._engine = HubsEngine(self._config)
        await self._engine.connect()

    async def close(self) -> None:
        """Close the connection."""
        if self._engine is not None:
            await self._engine.close()

    def remember(self, hubs: Collection[str]) -> None:
        """Take these for the hubs of the site, until `look` has asked."""
        self.hubs = frozenset(hubs)

    async def look(self) -> None:
        """Read which hubs there are, and their doors. Raise LinkError, StoreError."""
        engine = self._connected()
        hubs = await engine.hubs()
        certificates = await engine.certificates()
        self.points = points_of(self._site, hubs, certificates, self._issuer)
        self.hubs = hubs

    async def give(self, giving: Giving) -> Receipt:
        """Publish the messages, and wait until the engine has each. See `OrderWay.give`."""
        engine = self._connected()
        sent = (self._publish(engine, giving, letter) for letter in giving.letters)
        results = await asyncio.gather(*sent, return_exceptions=True)
        for result in results:
            if isinstance(result, StoreError):
                raise LinkError(f"Not each hub was given it: {result}") from result
            if isinstance(result, BaseException):
                raise result
        return Receipt()

    async def answers(self, _references: Sequence[str]) -> list[HubSaid]:
        """They come elsewhere (law 3)."""
        return []

    def _connected(self) -> HubsEngine:
        """Raise NotGivenError where no connection stands."""
        if self._engine is None or not self._engine.is_up:
            raise NotGivenError("The hubs' engine is away.")
        return self._engine

    async def _publish(self, engine: HubsEngine, giving: Giving, letter: Letter) -> None:
        async with self._turns:
            message = codec.encode(message_of(giving, letter))
            await engine.order(letter.hub, letter.message, message)


def message_of(giving: Giving, letter: Letter) -> Order | Release | Act:
    """Return what a hub is told."""
    wish = giving.wish
    if wish.told is not None:
        return Act(
            id=letter.message,
            by=giving.by,
            target=wish.told.command.device,
            verb=wish.told.command.verb,
            level=wish.told.command.level,
            expires_at=letter.expires_at,
        )
    order = RULES[wish.kind].order
    if order is not None:
        return Order(
            id=letter.message,
            by=giving.by,
            access_point=wish.point,
            order=order,
            on=int(wish.on),
            expires_at=letter.expires_at,
            until=wish.until,
        )
    return Release(
        id=letter.message,
        access_point=wish.point or 0,
        expires_at=letter.expires_at,
        seconds=None,
        by=giving.by,
    )


def points_of(
    site: str, hubs: frozenset[str], certificates: Mapping[str, bytes], issuer: VerifyKey
) -> dict[int, str]:
    """Return which hub has which access point, by certificates that the issuer has signed.

    What nobody signed, or is of another hub than it lies under, says nothing.
    """
    found: dict[int, str] = {}
    for hub in sorted(hubs & certificates.keys()):
        try:
            read = read_hub_certificate(certificates[hub], issuer)
        except HubError:
            continue
        if read.site == site and read.hub == hub:
            found.update(dict.fromkeys(read.access_points, hub))
    return found
