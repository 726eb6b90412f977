"""The configuration of a hub in which every word that is a person's holds a sentinel."""

from __future__ import annotations

SENTINEL = "tweety"


def config_of(door: str, mover: str) -> str:
    """Return that of a hub with one door, moved by MOVER, a section's lines."""
    return f"""
[hub]
id = "hub-{SENTINEL}"
site = "site-{SENTINEL}"
time_zone = "UTC"
[keys]
identity = "{SENTINEL}.pem"
certificate = "{SENTINEL}.cbor"
issuer = "{SENTINEL}.issuer"
[[doors]]
id = "{door}"
name = "Flat of {SENTINEL}"
strike_seconds = 0.3
[[doors.access_points]]
number = 1
name = "{SENTINEL} inwards"
[[doors.movers]]
{mover}
"""
