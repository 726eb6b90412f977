"""The options of acts at a site."""

from __future__ import annotations

import re
from typing import Any

import click

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
POINT_MAX = 65_535
_HEAD = re.compile(r"(\d{1,19}):([0-9a-f]{64})\Z", re.ASCII)
_SPAN = re.compile(r"(\d{1,7}) ?(s|min|h|d)\Z", re.ASCII)


class Span(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A number and its unit: 90s, 30min, 4h, 2d."""

    name = "SPAN"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        span = _SPAN.match(str(value))
        seconds = 0 if span is None else int(span[1]) * UNITS[span[2]]
        if seconds < 1:
            self.fail("say a number and its unit: 90s, 30min, 4h, 2d", param, ctx)
        return seconds


class HeadName(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A record and the chain's hash with it: NUMBER:HASH."""

    name = "NUMBER:HASH"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, str]:
        """Return the number, and the hash in hexadecimal digits."""
        found = _HEAD.match(str(value))
        if found is None:
            self.fail("say the record and its whole hash: 120:3f9a... (64 digits)", param, ctx)
        return int(found[1]), found[2]


SET_LEVEL = "set-level"
DEVICE_VERBS = ("open", "close", "stop", SET_LEVEL, "on", "off", "lock", "read")
"""What a site orders of a device; no verb opens an entrance."""
HUBS = click.option(
    "--hub", "hubs", multiple=True, metavar="HUB", help="Only at this hub; may be said again."
)
POINT = click.option(
    "--point",
    type=click.IntRange(1, POINT_MAX),
    help="Only at this access point, by its number; with one --hub.",
)
FOR = click.option("--for", "seconds", type=Span(), help="As in 90s, 30min, 4h or 2d.")
