"""What is wrong at a site and its hubs, each with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from hubctl.page import Trouble
from hubctl.site.pages.words import Facts, backend_words, days_left, next_words
from hubterm.shapes import mappings
from hubterm.text import clean, is_number, moment

CLOCK_SECONDS_MAX = 5.0
"""A smaller difference of clocks comes from the way between them, and hurts nobody."""
CERTIFICATE_DAYS_MIN = 14
BACKEND_SECONDS_MAX = 120
"""A bridge hears its backend more often than this."""


def troubles(status: Facts) -> Iterator[Trouble]:
    """Yield what is wrong at the site, with what to do."""
    if status.get("disk_full") is True:
        yield Trouble(
            "error",
            "disk",
            "the bridge's disk is full: it takes no records",
            "make room on the bridge's disk, or a smaller [room] in hubbridge.toml. "
            "The hubs lose nothing",
        )
    if is_number(status.get("orders_unkept")) and status["orders_unkept"]:
        yield Trouble(
            "error",
            "orders",
            f"the bridge's disk does not keep {clean(status['orders_unkept'])} orders that stand",
            "make room on its disk: it tries again by itself. "
            "If it starts again before, give them again",
        )
    if status.get("orders_here") is not True:
        yield Trouble(
            "error", "orders", f"nobody can order here: {clean(status.get('orders_by'))}",
            "ask who keeps the site's keys (docs/bridge.md, Keys)",
        )  # fmt: skip
    if status.get("clock") != "trusted":
        yield Trouble(
            "error", "clock", f"the bridge's clock is wrong: {clean(status.get('clock'))}",
            "set it: timedatectl",
        )  # fmt: skip
    if _is_cut_off(status):
        yield Trouble(
            "warning",
            "backend",
            backend_words(status),
            "the internet or the backend is away. The site goes on alone, and records wait here",
        )
    yield from _own_certificate(status)
    for hub in mappings(status.get("hubs")):
        yield from troubles_of(hub, status.get("at"))


def _own_certificate(status: Facts) -> Iterator[Trouble]:
    """Yield that the bridge's own certificate ends soon, or has ended."""
    days = days_left(status, status.get("at"))
    if days is None or days >= CERTIFICATE_DAYS_MIN:
        return
    said = "has ended" if days <= 0 else f"ends in {days:.0f} days"
    name = clean(status.get("bridge"))
    yield Trouble(
        "error" if days <= 0 else "warning",
        "certificate",
        f"the certificate of this bridge {said}: {next_words(status)}",
        f"it asks by itself while the backend is reached; there: hubissuer renew-bridge {name}",
    )


def _is_cut_off(status: Facts) -> bool:
    way = status.get("backend")
    if not isinstance(way, Mapping):
        return False
    heard = way.get("heard_seconds")
    return not is_number(heard) or heard > BACKEND_SECONDS_MAX


def troubles_of(hub: Facts, now: Any) -> Iterator[Trouble]:
    """Yield what is wrong with one hub, with what to do."""
    name = clean(hub.get("hub"))
    if hub.get("doubt"):
        yield Trouble(
            "error", name, f"its records are not those that were seen: {clean(hub['doubt'])}",
            "a disk was changed or set back: call who runs the backend. Its doors go on. "
            f"What was told and seen: hubctl --site hub {name}; it ends by hubctl --site accept",
        )  # fmt: skip
    if hub.get("phase") == "away":
        heard = hub.get("heard_at")
        since = f" since {moment(heard)}" if is_number(heard) else ""
        yield Trouble(
            "error", name, f"away{since}",
            "look at its power and network. It decides alone, and hears no order from here",
        )  # fmt: skip
    if is_number(hub.get("alarms_standing")) and hub["alarms_standing"]:
        yield Trouble(
            "error", name, f"alarms stand: {clean(hub['alarms_standing'])}",
            f"hubctl --site hub {name}",
        )  # fmt: skip
    ahead = hub.get("clock_ahead_seconds")
    if is_number(ahead) and abs(ahead) > CLOCK_SECONDS_MAX:
        yield Trouble(
            "warning", name, f"its clock is {ahead:+.0f} s beside the bridge's",
            f"at {name}: hubctl clock",
        )  # fmt: skip
    days = days_left(hub, now)
    if days is not None and days < CERTIFICATE_DAYS_MIN:
        said = "has ended" if days <= 0 else f"ends in {days:.0f} days"
        yield Trouble(
            "error" if days <= 0 else "warning", name, f"its certificate {said}",
            "it renews with the backend: see that it is reached",
        )  # fmt: skip
    if is_number(hub.get("missing_records")) and hub["missing_records"]:
        yield Trouble(
            "warning", name, f"{clean(hub['missing_records'])} of its records are not here",
            "they went another way, or were lost here: the backend knows",
        )  # fmt: skip
