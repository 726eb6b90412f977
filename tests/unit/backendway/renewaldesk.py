"""Bridges' own renewals at a gateway, over an engine in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from hubcore.bridge.backend.from_backend import FromBackend
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import public_der
from hubgateway.bridges.directory import BridgeEntry, read_bridge, write_bridge
from hubgateway.bridges.renewals import BridgeRenewals
from hubgateway.engine.mirror import Mirror
from hubgateway.rules import names
from hubgateway.rules.names import Standing
from tests.fakes.bridgedhub import AUTHORITY, BRIDGE, SITE
from tests.fakes.clock import FakeClock
from tests.fakes.table import FakeTable


class Table(FakeTable):
    """The buckets; a mirror asks for some keys of one."""

    async def snapshot(self, bucket: str, wanted: str = ">") -> dict[str, bytes]:
        found = await super().snapshot(bucket)
        end = wanted.removeprefix("*").removeprefix(">")
        return {key: value for key, value in found.items() if key.endswith(end)}


@dataclass
class EngineOfTable:
    """An engine that is up, or is not. `writes_before` is called before each next write."""

    buckets: Table = field(default_factory=Table)
    is_up: bool = True
    generation: int = 1

    async def listen(self, _subject: str, _heard: Callable[..., Awaitable[None]]) -> None:
        """Nothing is published by itself here."""


class RenewalDesk:
    """What a gateway does, and what it says of its own accord."""

    def __init__(self, clock: FakeClock) -> None:
        self.engine = EngineOfTable()
        self.table = self.engine.buckets
        self.said: list[tuple[str, FromBackend]] = []
        self.told: list[str] = []
        engine: Any = self.engine
        self.directory = Mirror(engine, names.BRIDGES_BUCKET)
        self.renewals = BridgeRenewals(
            site=SITE,
            authority=AUTHORITY.document,
            engine=engine,
            directory=self.directory,
            say=lambda bridge, message: self.said.append((bridge, message)),
            tell=lambda _source, what: self.told.append(what),
            clock=clock,
        )

    async def read(self) -> None:
        """Let the gateway know what the engine has by now."""
        await self.directory.start()
        await self.renewals.mirror.start()

    async def know(self, key: SigningKey, standing: Standing = Standing.ENROLLED) -> None:
        """Let the directory know the bridge by this key."""
        entry = BridgeEntry(standing, digest(key).hex())
        self.table.put(names.BRIDGES_BUCKET, BRIDGE, write_bridge(entry))
        await self.read()

    def known(self) -> BridgeEntry | None:
        """Return what the directory has."""
        return read_bridge(self.table.rows.get((names.BRIDGES_BUCKET, BRIDGE), (None, 0))[0])

    def may(self, key: SigningKey) -> bool:
        """Tell whether the bridge may speak by this key, as a gateway's port asks."""
        entry = self.known()
        is_known = entry == BridgeEntry(Standing.ENROLLED, digest(key).hex())
        return is_known or self.renewals.lets_speak(BRIDGE, digest(key))


def public(key: SigningKey) -> bytes:
    """Return a key as SubjectPublicKeyInfo."""
    return public_der(key.private.public_key())


def digest(key: SigningKey) -> bytes:
    """Return what the directory knows of a key."""
    return sha256(public(key)).digest()
