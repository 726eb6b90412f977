"""`[bridge]`: the bridge of this building, on the same machine."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hubcore.localapi import BRIDGE_SOCKET


class Bridge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Its local socket (docs/bridge.md).

    While the hubs' engine is away orders go by it, and doors and alarms are seen by it.
    """

    socket: Annotated[str, Meta(min_length=1, max_length=100)] = BRIDGE_SOCKET
