"""What the cases of this room share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.scenario.uplink_faults.desk import Desk, desk_at


@pytest_asyncio.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """A desk at which nothing runs yet."""
    async with desk_at(tmp_path) as made:
        yield made
