"""A visit to the engine: connected, some work done, and closed again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from hubgateway.engine.engine import Engine

_T = TypeVar("_T")


class EngineAt(Protocol):
    """Where an engine is, as a configuration says it."""

    @property
    def servers(self) -> tuple[str, ...]:
        """Return its addresses."""

    @property
    def credentials(self) -> str:
        """Return the file of an account there, "" for none."""

    @property
    def authority(self) -> str:
        """Return the file (PEM) of who vouches for it, "" for those whom this system believes."""

    @property
    def replicas(self) -> int:
        """Return how many copies new buckets have."""


async def with_engine(config: EngineAt, work: Callable[[Engine], Awaitable[_T]]) -> _T:
    """Do some work with the engine. Raise LinkError, StoreError."""
    engine = Engine(config.servers, config.credentials, config.replicas, config.authority)
    try:
        await engine.connect(retries=0)
        return await work(engine)
    finally:
        await engine.close()
