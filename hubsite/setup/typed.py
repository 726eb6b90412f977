"""What an installer types, judged before anything is looked for or made.

Law: what is wrong is said in words, with the option and what was typed.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from hubcore.errors import ConfigError
from hubsite.accounts.naming import NAME_PATTERN, NAME_WORDS
from hubsite.config.file import HOST, LISTEN, SITE

POINT_MAX = 65_535
POINTS_MAX = 4096
PORT_MAX = 65_535
_SPAN = re.compile(r"([0-9]{1,12})(?:-([0-9]{1,12}))?", re.ASCII)
_FORMS = {
    "--site": (SITE, "it has 1 to 32 of a-z, 0-9 and '-', and neither begins nor ends with '-'"),
    "--host": (
        HOST,
        "it is a machine's name, such as site.acme.example, of letters, digits, '.' and '-'; it is "
        "no address of a page, and the port belongs to --listen",
    ),
    "--listen": (LISTEN, "it is an address and a port, such as 0.0.0.0:8443 or [::]:8443"),
    "--operator": (NAME_PATTERN, NAME_WORDS.rstrip(".")),
}
"""The form of each option, and how it is said."""


def judge(typed: dict[str, str]) -> None:
    """Judge what was typed, by option. Raise ConfigError (the law)."""
    for option, (form, words) in _FORMS.items():
        if option in typed and not re.fullmatch(form, typed[option]):
            raise ConfigError(f"{option} {typed[option]!r}: {words}")
    listen = typed.get("--listen", "")
    if listen and not 1 <= int(listen.rpartition(":")[2]) <= PORT_MAX:
        raise ConfigError(f"--listen {listen!r}: a port is 1 to {PORT_MAX}")
    zone = typed.get("--time-zone")
    try:
        ZoneInfo("UTC" if zone is None else zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--time-zone {zone!r}: it is no zone such as Europe/Berlin") from error
    points_of(typed.get("--access-points", "1"))


def points_of(text: str) -> tuple[int, ...]:
    """Read access points, such as 1-32 or 1-8,20. Raise ConfigError."""
    found: set[int] = set()
    for part in text.split(","):
        found.update(_span(part.strip()))
    if len(found) > POINTS_MAX:
        raise ConfigError(
            f"--access-points {text!r}: these are {len(found)}, and {POINTS_MAX} are the most"
        )
    return tuple(sorted(found))


def _span(part: str) -> range:
    match = _SPAN.fullmatch(part)
    if match is None:
        raise ConfigError(f"--access-points: {part!r} is no number, and no span such as 1-32")
    first = int(match[1])
    last = int(match[2] or match[1])
    for number in (first, last):
        if not 1 <= number <= POINT_MAX:
            raise ConfigError(
                f"--access-points: {part!r}: {number} is none, they are 1 to {POINT_MAX}"
            )
    if first > last:
        raise ConfigError(
            f"--access-points: {part!r} ends before it begins: the smaller number comes first"
        )
    return range(first, last + 1)


def spans_of(points: tuple[int, ...]) -> str:
    """Write access points as they are typed, in order: 1-8,20."""
    spans: list[tuple[int, int]] = []
    for point in sorted(set(points)):
        if spans and point == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], point)
        else:
            spans.append((point, point))
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)
