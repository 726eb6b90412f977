"""`hubctl hub`: until when the certificate holds, by the hub's own clock."""

from __future__ import annotations

from typing import Any

import pytest

from hubctl.commands.look import uplink
from hubctl.commands.look.hub import days_left, page, public_keys

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


CURVE = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"


def keys_of(*roles: str) -> dict[str, Any]:
    return {
        "keys": [
            {"role": role, "algorithm": "an algorithm", "id": CURVE, "public": CURVE, "mode": None}
            for role in roles
        ]
    }


def test_the_public_keys_are_short_for_people_and_whole_for_machines() -> None:
    public = public_keys(keys_of("identity", "epoch", "uplink", "issuer"))
    assert public is not None
    assert [key["role"] for key in public] == ["identity", "uplink"]
    assert {key["public"] for key in public} == {CURVE}
    shown = page(told(NOW - DAY, NOW + DAY), public).plain()
    assert f"uplink             {CURVE[:16]}… (an algorithm)" in shown
    assert CURVE not in shown
    assert "hubctl hub --json" in shown


def test_a_hub_that_does_not_tell_its_keys_is_shown_by_its_certificate() -> None:
    assert public_keys(None) is None
    assert public_keys({"keys": [3, {"role": ["identity"]}]}) == []
    answer = told(NOW - DAY, NOW + DAY)
    answer["certificate"]["key"] = "0badc0de"
    assert "identity          0badc0de" in page(answer, None).plain()


def test_the_way_to_the_backend_shows_what_waits_by_class() -> None:
    records = {"last": 9, "waiting": 4, "oldest_seconds": 61.0, "budget_bytes": 2 << 20}
    status = {"records": records, "telemetry": {"waiting": 3, "dropped": 2}}
    for backend in ({"connected": True, "since": NOW}, None):
        shown = uplink.page(backend, (), status).plain()
        assert "waiting for the backend 4" in shown
        assert "waiting 3, dropped 2; in memory alone" in shown
    assert "dropped" not in uplink.page(None, (), {"backend": None}).plain()
