"""The bridge's socket: the shell of `hublocal` with the bridge's names, log and calls."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hubbridge.local.acts import SiteActs
from hubbridge.local.doubts import DoubtActs
from hubbridge.local.log import LocalLog
from hubbridge.local.looks import SiteLooks
from hubbridge.told import Told
from hubcore.localapi import BRIDGE_ACTORS_GROUP, BRIDGE_READERS_GROUP
from hublocal.api import LocalApi
from hublocal.owner import Owner
from hublocal.roles import Roles, roles_of_this_machine
from hublocal.tail.events import EventTail

HUBBRIDGE: Final = Owner(
    program="hubbridge",
    setting="[api] socket",
    readers=BRIDGE_READERS_GROUP,
    actors=BRIDGE_ACTORS_GROUP,
)


def make_api(
    path: Path,
    looks: SiteLooks,
    acts: SiteActs,
    doubts: DoubtActs,
    tail: EventTail,
    told: Told,
    roles: Roles | None = None,
) -> LocalApi:
    """Make the server; `roles` None: those of this machine's groups."""
    return LocalApi(
        path,
        (*looks.table(), *acts.table(), *doubts.table()),
        tail,
        owner=HUBBRIDGE,
        log=LocalLog(told),
        roles=roles_of_this_machine(HUBBRIDGE) if roles is None else roles,
    )
