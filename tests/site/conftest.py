"""Each test of this folder has a server of its own: the same configuration, and empty tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site import postgres
from tests.site.served import served
from tests.site.server import Server, begun

begun()
# What is about PostgreSQL runs where a server of it does.
collect_ignore = [] if postgres.named() else ["serving/test_postgresql.py"]


@pytest.fixture(autouse=True)
def server() -> Iterator[Server]:
    server = begun()
    server.fresh()
    yield server
    server.done()


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A server that runs, its file and its port."""
    with served(tmp_path_factory.mktemp("serving") / "s") as it:
        yield it
