"""Options that several commands have, and how a time is typed and shown."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import click

from hubgateway.issuer.office.words import Validity

DAY_SECONDS = 86_400
HUB_DAYS = 365
BEGAN_SECONDS_AGO = 60
POINT = click.IntRange(1, 65_535)
DAYS = click.option("--days", type=click.FloatRange(1, 3660), default=HUB_DAYS, show_default=True)
KEY_FILE = click.argument("key", type=click.Path(path_type=Path))
OUT = click.option("--out", type=click.Path(path_type=Path), required=True, help="The file.")


def begins() -> int:
    """Return when a document of now begins: a little ago, for clocks that are behind."""
    return int(time.time()) - BEGAN_SECONDS_AGO


def validity_of(days: float) -> Validity:
    """Return the span from now that `--days` asks for."""
    first = begins()
    return Validity(first, first + int(days * DAY_SECONDS))


def until(expires: int) -> str:
    """Say when something ends."""
    return f"until {datetime.fromtimestamp(expires, UTC):%Y-%m-%d %H:%M} UTC"
