"""The uplink to the backend: one row for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hubcore.ports.uplink import Uplink
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.host.keyfiles import HubKeys
from hubd.config import kinds
from hubd.config.file import Config


def curve(section: kinds.Curve, keys: HubKeys) -> Uplink | None:
    """ZeroMQ with CURVE, the backend's key pinned."""
    return None if keys.uplink is None else CurveUplink(section.endpoint, keys.uplink)


MakeUplink = Callable[[Any, HubKeys], Uplink | None]
"""Takes a section of its own kind."""
UPLINK_KINDS: Mapping[type[kinds.Backend], MakeUplink] = {kinds.Curve: curve}
"""A row for each kind in `hubd.config.kinds.Backend`."""


def make_uplink(config: Config, keys: HubKeys) -> Uplink | None:
    """Make the uplink of the configuration; None for a hub that decides alone."""
    if config.backend is None:
        return None
    return UPLINK_KINDS[type(config.backend)](config.backend, keys)
