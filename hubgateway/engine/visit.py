"""A visit to the engine: connected, some work done, and closed again.

Law: an engine that is away ends a visit after a second try at each of its addresses. So a command
ends with a line of what is wrong, and what signs for a server answers it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from hubgateway.config import EngineAt
from hubgateway.engine.engine import Engine
from hubgateway.engine.rights import Who

_T = TypeVar("_T")


class Visited(EngineAt, Protocol):
    """Where an engine is, with its files found (`hubgateway.config.reached`)."""

    @property
    def replicas(self) -> int:
        """Return how many copies new buckets have."""


async def with_engine(config: Visited, work: Callable[[Engine], Awaitable[_T]]) -> _T:
    """Do some work with the engine. Raise LinkError, StoreError."""
    where = (config.servers, config.credentials, config.replicas, config.authority)
    engine = Engine(*where, who=Who.ISSUER)
    try:
        await engine.connect(retries=1)
        return await work(engine)
    finally:
        await engine.close()
