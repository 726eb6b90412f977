"""The uplink to the backend, and the connection to a bridge of the site.

One row for each kind of uplink says how it is made, and what to compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from zmq.utils import z85

from hubcore.errors import StoreError
from hubcore.ports.bridge import BridgeLine
from hubcore.ports.keys import KeyPairs
from hubcore.ports.uplink import Uplink
from hubcore.version import BUILD_TIME
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.keys.pairs import FOLDER, PairFolder
from hubd.adapters.keys.renewed import RENEWED_TLS
from hubd.adapters.keys.uplinkkeys import UplinkKeys
from hubd.config import backend as sections
from hubd.config.file import Config
from hubd.wiring.look.finding import Finding, fact

ABOUT = "backend"


@dataclass(frozen=True, slots=True)
class MadeUplink:
    """An uplink, and the hub's own pairs of keys for it where it has any."""

    uplink: Uplink | None = None
    key_pairs: KeyPairs | None = None


@dataclass(frozen=True, slots=True)
class UplinkKind:
    """What is done with a section of one kind.

    `describe` says what a technician compares with the backend; '' when the keys are not there.
    """

    make: Callable[[Any, Config, HubKeys], MadeUplink]
    describe: Callable[[Any, Config, HubKeys], str]


def curve(section: sections.Curve, config: Config, keys: HubKeys) -> MadeUplink:
    """ZeroMQ with CURVE, the backend's keys pinned."""
    if keys.uplink is None:
        return MadeUplink()
    pairs = _pairs(config, keys.uplink)
    with suppress(StoreError):  # a disk that takes nothing is told of when the key is to change
        pairs.begin(max(time.time(), BUILD_TIME))
    uplink = CurveUplink(section.places, keys.uplink, own=pairs.for_attempt)
    return MadeUplink(uplink, pairs)


def describe_curve(section: sections.Curve, config: Config, keys: HubKeys) -> str:
    """Say where the backend is, and the public keys of both."""
    if keys.uplink is None:
        return ""
    known = _pairs(config, keys.uplink).known()
    theirs = " or ".join(z85.encode(key).decode() for key in keys.uplink.backends)
    places = ", then ".join(section.places)
    said = (
        f"{places}; it must know this hub's public key {known.shown}, and its own must be {theirs}"
    )
    return f"{said}. {known.trouble}" if known.trouble else said


def _pairs(config: Config, keys: UplinkKeys) -> PairFolder:
    return PairFolder(config.hub.state_directory / FOLDER, keys.own)


UPLINK_KINDS: Mapping[type[sections.Backend], UplinkKind] = {
    sections.Curve: UplinkKind(make=curve, describe=describe_curve),
}
"""A row for each kind in `hubd.config.backend.Backend`."""


def make_uplink(config: Config, keys: HubKeys) -> MadeUplink:
    """Make the uplink of the configuration; none for a hub that decides alone."""
    if config.backend is None:
        return MadeUplink()
    kind = UPLINK_KINDS[type(config.backend)]
    return kind.make(config.backend, config, keys)


def look_at_uplink(config: Config, keys: HubKeys) -> Finding:
    """Return what a technician compares with the backend."""
    text = ""
    if config.backend is not None:
        kind = UPLINK_KINDS[type(config.backend)]
        text = kind.describe(config.backend, config, keys)
    return fact(ABOUT, text or "none, the hub decides alone and keeps its records")


def make_bridge_line(config: Config, keys: HubKeys) -> BridgeLine | None:
    """Make the connection to a bridge of the configuration; None for a hub without one.

    TLS takes memory and time to load, so only a hub with a bridge loads it.
    """
    files = config.keys.tls_files
    if not config.bridges or keys.tls is None or files is None:
        return None
    from hubd.adapters.bridge.line import Endpoint, TlsBridgeLine
    from hubd.adapters.bridge.search import Sought
    from hubd.adapters.bridge.shown import context_of

    key, certificate, _ = files
    renewed = config.hub.state_directory / RENEWED_TLS
    return TlsBridgeLine(
        [
            Sought(one.name, one.search_from)
            if one.search_from
            else Endpoint(one.name, one.address, one.port)
            for one in config.bridges
        ],
        config.hub.site,
        keys.tls.authority,
        context_of(keys.tls, key.path, (renewed, certificate.path)),
    )
