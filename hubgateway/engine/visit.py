"""A visit to the engine: connected, some work done, and closed again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from hubgateway.config import EngineAt
from hubgateway.engine.engine import Engine

_T = TypeVar("_T")


class Visited(EngineAt, Protocol):
    """Where an engine is, with its files found (`hubgateway.config.reached`)."""

    @property
    def replicas(self) -> int:
        """Return how many copies new buckets have."""


async def with_engine(config: Visited, work: Callable[[Engine], Awaitable[_T]]) -> _T:
    """Do some work with the engine. Raise LinkError, StoreError."""
    engine = Engine(config.servers, config.credentials, config.replicas, config.authority)
    try:
        await engine.connect(retries=0)
        return await work(engine)
    finally:
        await engine.close()
