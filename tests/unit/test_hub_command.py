"""`hubctl hub`: until when the certificate holds, by the hub's own clock."""

from __future__ import annotations

from typing import Any

import pytest

from hubctl.commands.look.hub import days_left, page

NOW = 1_800_000_000
DAY = 86_400


def told(begins: Any, expires: Any, now: Any = NOW) -> dict[str, Any]:
    return {
        "hub": "hub-1",
        "site": "acme",
        "zone": "Europe/Berlin",
        "certificate": {"begins": begins, "expires": expires},
        "clock": {"wall": now},
    }


@pytest.mark.parametrize(
    ("answer", "days"),
    [
        (told(NOW - DAY, NOW + 30 * DAY), 30.0),
        (told(NOW - 2 * DAY, NOW - DAY), -1.0),
        (told(NOW + DAY, NOW + 30 * DAY), 0.0),
        (told(None, NOW), None),
        (told("a", "b"), None),
        ({}, None),
        ({"certificate": [], "clock": 3}, None),
    ],
)
def test_the_days_that_are_left(answer: dict[str, Any], days: float | None) -> None:
    assert days_left(answer) == days


def test_the_end_is_told_by_the_sites_clock_with_its_zone() -> None:
    shown = page(told(NOW - DAY, NOW + 30 * DAY)).plain()
    assert "certificate ends  Sun 2027-02-14 09:00 (Europe/Berlin), in 30 days" in shown
    assert "it does not hold now" in page(told(NOW - 2 * DAY, NOW - DAY)).plain()
    assert page({}).plain().startswith("hub")
