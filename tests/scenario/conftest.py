"""A whole installation for the tests that need one: radio, backend and hub as processes, shared within a module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hubsim.site import DeskDoor
from hubsim.stage import Stage

PULSE_SECONDS = 1.0
FRONT = DeskDoor("front", "Front door", access_point=1, strike_seconds=PULSE_SECONDS)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A running stage with one door; a test that ends a part starts it again."""
    async with Stage(tmp_path_factory.mktemp("desk") / "site", [FRONT], person=False) as running:
        yield running
