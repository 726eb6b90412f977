"""Each test of this folder has a server of its own: the same configuration, and empty tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.site.server import Server, begun

begun()


@pytest.fixture(autouse=True)
def server() -> Iterator[Server]:
    server = begun()
    server.fresh()
    yield server
    server.done()
