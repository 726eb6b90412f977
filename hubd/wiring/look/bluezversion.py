"""Versions of BlueZ that are known to do harm, each with where that is written.

Law: Debian's own version is asked for, since a mended package keeps BlueZ's number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from hubcore.checks import CheckId
from hubcore.errors import HardwareError
from hubd.wiring.look.finding import Finding, fact, found
from hubd.wiring.look.world import World

ABOUT = "bluez version"
MENDED = "+hubd"
"""In the version of a package that systemd/bluez-mended.sh has made."""
Number = tuple[int, int]
_VERSION = re.compile(r"(?:[0-9]+:)?([0-9]{1,4})\.([0-9]{1,4})", re.ASCII)
_MEND = "when many hubs stand where strangers pass: docs/bluez.md makes a package that survives it"
_UPGRADE = "type: sudo apt install bluez, on Debian 12 or newer"


class KnownBad(NamedTuple):
    """Versions from `first` to `last`, both counted in. `mended`: our own package mends it."""

    first: Number
    last: Number
    what: str
    source: str
    how: str
    mended: bool = False


KNOWN_BAD = (
    KnownBad(
        first=(0, 0),
        last=(5, 65),
        what="hubd was never tried with it, and Debian 12 has a newer one",
        source="docs/start-here.md",
        how=_UPGRADE,
    ),
    KnownBad(
        first=(5, 66),
        last=(5, 87),
        what="a phone that leaves in the middle of a request ends bluetoothd, for some 2 s",
        source="https://github.com/bluez/bluez/issues/2447",
        how=_MEND,
        mended=True,
    ),
)


def look(world: World) -> Iterator[Finding]:
    """Yield what is known of the installed BlueZ; nothing where no package is installed."""
    try:
        done = world.run(["dpkg-query", "--show", "--showformat=${Version}", "bluez"])
    except HardwareError:
        return
    version = done.stdout.strip()
    number = _VERSION.match(version)
    if done.returncode or number is None:
        return
    bad = known_bad((int(number[1]), int(number[2])), is_mended=MENDED in version)
    if bad is None:
        yield fact(ABOUT, version)
        return
    yield found(
        CheckId.BLUEZ_KNOWN_BAD,
        ABOUT,
        version=version,
        what=bad.what,
        source=bad.source,
        how=bad.how,
    )


def known_bad(number: Number, is_mended: bool) -> KnownBad | None:
    """Return what is known against a version."""
    for bad in KNOWN_BAD:
        if bad.first <= number <= bad.last and not (bad.mended and is_mended):
            return bad
    return None
