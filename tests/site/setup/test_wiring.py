"""What runs beside the pages is what the configuration asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from django.conf import settings

from hubsite import wiring
from hubsite.bridge.watching.finding import the_watch
from hubsite.config import Bridge
from tests.site.server import Server

pytestmark = pytest.mark.once


def test_without_an_engine_nothing_follows_records(server: Server) -> None:
    wiring.begin(server.site)
    try:
        names = [part.name for part in settings.HUBSITE_RUNNING.parts]
        assert "Records" not in names
        assert "Bridge" not in names
        assert the_watch() is None
    finally:
        wiring.end()


def test_with_a_bridge_it_is_followed(server: Server, tmp_path: Path) -> None:
    bridge = Bridge(str(tmp_path / "nobody.sock"))
    config = msgspec.structs.replace(server.site.config, bridge=bridge)
    wiring.begin(replace(server.site, config=config))
    try:
        watch = the_watch()
        assert watch is not None
        assert "bridge" in watch.problem
    finally:
        wiring.end()
