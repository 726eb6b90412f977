"""hubd's local socket: the shell of `hublocal` with hubd's names and its log."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from hubcore.localapi import ACTORS_GROUP, READERS_GROUP, UPDATES_USER
from hubd.adapters.host.log import get_logger
from hublocal import api
from hublocal.calls import Call
from hublocal.client import Rest
from hublocal.owner import Owner
from hublocal.places import LIMITS, Limits
from hublocal.roles import NO_GROUPS, Roles
from hublocal.stream import WAITS, Waits
from hublocal.tail.events import EventTail

HUBD: Final = Owner(
    program="hubd",
    setting="[api] socket",
    readers=READERS_GROUP,
    actors=ACTORS_GROUP,
    renewer=UPDATES_USER,
)


class LocalApi(api.LocalApi):
    """hubd's server; see `hublocal.api.LocalApi`."""

    def __init__(
        self,
        path: Path,
        calls: tuple[Call, ...],
        tail: EventTail,
        limits: Limits = LIMITS,
        waits: Waits = WAITS,
        rest: Rest = asyncio.sleep,
        roles: Roles = NO_GROUPS,
    ) -> None:
        super().__init__(
            path,
            calls,
            tail,
            owner=HUBD,
            log=get_logger(part="local_api"),
            limits=limits,
            waits=waits,
            rest=rest,
            roles=roles,
        )
