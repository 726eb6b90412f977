"""What runs beside the pages is what the configuration asks for."""

from __future__ import annotations

import pytest
from django.conf import settings

from hubsite import wiring
from tests.site.server import Server

pytestmark = pytest.mark.once


def test_without_an_engine_nothing_follows_records(server: Server) -> None:
    wiring.begin(server.site)
    try:
        assert "Records" not in [part.name for part in settings.HUBSITE_RUNNING.parts]
    finally:
        wiring.end()
