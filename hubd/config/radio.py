"""The radio that phones find the hub by: `[radio]`, a class for each kind."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hubcore.phone import beacon
from hubd.config.section import KIND, Section


class Bluez(Section, frozen=True, tag_field=KIND, tag="bluez"):
    """A Bluetooth adapter of this machine.

    `company` and `rotate_seconds` matter only with `keys.beacon`: the tag advertises under that
    company number, and changes so often.
    """

    adapter: Annotated[
        str,
        Meta(
            pattern=r"\A(default|([0-9A-F]{2}:){5}[0-9A-F]{2})\Z",
            description='"default" or an adapter\'s address such as "00:1A:7D:DA:71:13"',
        ),
    ] = "default"
    company: Annotated[
        int,
        Meta(ge=0, le=0xFFFF, description="0 to 65535, as the Bluetooth SIG assigned it"),
    ] = beacon.COMPANY_NONE
    rotate_seconds: Annotated[
        float,
        Meta(ge=1, le=3600, description="1 to 3600"),
    ] = beacon.ROTATE_SECONDS


Radio = Bluez
"""A union of all kinds of radios."""
