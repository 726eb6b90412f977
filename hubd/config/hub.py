"""The sections about the hub itself: `[hub]`, `[protocol]`, `[api]` and `[log]`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta

from hubcore.timing.budget import rate_min
from hubd.config.mistakes.sentences import WrongValueError, show
from hubd.config.section import Id, Section

SOCKET_PATH_BYTES_MAX = 107
"""What `sun_path` of unix(7) holds beside its closing zero."""

RECORDS_MIB = range(64, (1 << 20) + 1)
"""The least holds the records that a start looks at, and the most is 1 TiB."""
RECORDS_MIB_DEFAULT = 1024
"""72 hours without a backend at an unlock a second are some 120 MiB: two records each of 220 bytes.
This is eight times as much, some 5,000,000 records, and leaves most of a card of 8 GB free."""

Aead = Literal["A256GCM", "A192GCM", "A128GCM"]


class Hub(Section, frozen=True):
    """Who this hub is. `site` and `id` must be the ones in its certificate."""

    id: Id
    site: Id
    time_zone: Annotated[
        str,
        Meta(description='an IANA time zone such as "Europe/Berlin"'),
    ]
    state_directory: Annotated[
        Path,
        Meta(description="a directory"),
    ] = Path("/var/lib/hubd")
    records_mib: Annotated[
        int,
        Meta(
            ge=RECORDS_MIB.start,
            le=RECORDS_MIB[-1],
            description=f"{RECORDS_MIB.start} to {RECORDS_MIB[-1]}",
        ),
    ] = RECORDS_MIB_DEFAULT
    """The budget of audit.db: above it, the oldest records go that the backend has durably."""

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the site; once checked, the machine knows it."""
        return ZoneInfo(self.time_zone)

    def check(self) -> None:
        """Raise WrongValueError for a time zone that this machine does not know."""
        try:
            _ = self.zone
        except (OSError, ValueError, KeyError) as error:
            expected = (
                "an IANA time zone that this machine knows, "
                'such as "Europe/Berlin" (package tzdata)'
            )
            where = ("hub", "time_zone")
            raise WrongValueError(where, expected, show(self.time_zone)) from error


class Protocol(Section, frozen=True):
    """The limits of docs/protocol.md that a hub may choose. `aead` is in order of preference."""

    rsa_bits: Annotated[
        Literal[2048, 3072, 4096],
        Meta(description="2048, 3072 or 4096"),
    ] = 3072
    aead: Annotated[
        tuple[Aead, ...],
        Meta(
            min_length=1,
            max_length=3,
            description='one to three of "A256GCM", "A192GCM", "A128GCM"',
        ),
    ] = ("A256GCM", "A192GCM", "A128GCM")
    grant_days_max: Annotated[int, Meta(ge=1, le=366, description="1 to 366")] = 90
    rsa_per_second: Annotated[float, Meta(ge=0.1, le=100, description="0.1 to 100")] = 5.0
    rsa_burst: Annotated[int, Meta(ge=1, le=100, description="1 to 100")] = 10
    links_max: Annotated[int, Meta(ge=1, le=32, description="1 to 32")] = 8

    def check(self) -> None:
        """Raise WrongValueError for a cipher given twice, or a rate that shuts phones out."""
        if len(set(self.aead)) != len(self.aead):
            where = ("protocol", "aead")
            raise WrongValueError(where, "each name once", show(list(self.aead)))
        least = rate_min(self.links_max)
        if self.rsa_per_second < least:
            where = ("protocol", "rsa_per_second")
            expected = (
                f"at least {least:g} for links_max = {self.links_max}, or strangers keep phones out"
            )
            raise WrongValueError(where, expected, f"{self.rsa_per_second:g}")


class Api(Section, frozen=True):
    """The local socket of hubctl."""

    socket: Annotated[
        Path,
        Meta(description="a path of at most 107 bytes"),
    ] = Path("/run/hubd/hubd.sock")

    def check(self) -> None:
        """Raise WrongValueError for a path that is too long for a socket."""
        size = len(os.fsencode(self.socket))
        if size > SOCKET_PATH_BYTES_MAX:
            expected = f"a path of at most {SOCKET_PATH_BYTES_MAX} bytes"
            raise WrongValueError(("api", "socket"), expected, f"{size} bytes ({self.socket})")


class Log(Section, frozen=True):
    """How much the journal gets."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description='"debug", "info", "warning" or "error"'),
    ] = "info"
