"""The uplink to the backend: one row for each kind says how it is made, and what to compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zmq.utils import z85

from hubcore.ports.uplink import Uplink
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.config import backend as sections
from hubd.config.file import Config
from hubd.wiring.look.finding import Finding, fact

ABOUT = "backend"


@dataclass(frozen=True, slots=True)
class UplinkKind:
    """What is done with a section of one kind.

    `describe` says what a technician compares with the backend; '' when the keys are not there.
    """

    make: Callable[[Any, HubKeys], Uplink | None]
    describe: Callable[[Any, HubKeys], str]


def curve(section: sections.Curve, keys: HubKeys) -> Uplink | None:
    """ZeroMQ with CURVE, the backend's key pinned."""
    if keys.uplink is None:
        return None
    return CurveUplink(section.endpoint, keys.uplink)


def describe_curve(section: sections.Curve, keys: HubKeys) -> str:
    """Say where the backend is, and both public keys."""
    if keys.uplink is None:
        return ""
    own = z85.encode(keys.uplink.public).decode()
    theirs = z85.encode(keys.uplink.backend).decode()
    return (
        f"{section.endpoint}; it must know this hub's public key {own}, "
        f"and its own must be {theirs}"
    )


UPLINK_KINDS: Mapping[type[sections.Backend], UplinkKind] = {
    sections.Curve: UplinkKind(make=curve, describe=describe_curve),
}
"""A row for each kind in `hubd.config.backend.Backend`."""


def make_uplink(config: Config, keys: HubKeys) -> Uplink | None:
    """Make the uplink of the configuration; None for a hub that decides alone."""
    if config.backend is None:
        return None
    kind = UPLINK_KINDS[type(config.backend)]
    return kind.make(config.backend, keys)


def look_at_uplink(config: Config, keys: HubKeys) -> Finding:
    """Return what a technician compares with the backend."""
    text = ""
    if config.backend is not None:
        kind = UPLINK_KINDS[type(config.backend)]
        text = kind.describe(config.backend, keys)
    return fact(ABOUT, text or "none, the hub decides alone and keeps its records")
