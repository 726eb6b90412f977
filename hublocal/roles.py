"""Who may do what on the local socket: by the kernel's word of the user and the groups.

Laws:
1. Whoever can connect may look. The socket's file decides that, by its group and mode.
2. Root, the owner itself and the members of its group of actors may act.
3. The user of updates may renew, and nothing more: have another version take over, and end its
   trial.
4. A group or a user that does not exist is nobody. Groups that the kernel does not tell are none.
5. Both are looked up once a process: that may ask other programs of the machine, and phones wait
   while a hub changes hands.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache

from hublocal.owner import Owner
from hublocal.peer import PeerProcess

ROOT = 0


class Role(Enum):
    """What a call needs."""

    LOOK = auto()
    ACT = auto()
    RENEW = auto()


@dataclass(frozen=True, slots=True)
class Roles:
    """Who has which role.

    `actors` is the number of a group, `renewer` that of a user; None where there is none.
    """

    actors: int | None = None
    renewer: int | None = None

    def may(self, caller: PeerProcess, role: Role) -> bool:
        """Tell whether a caller has a role."""
        match role:
            case Role.LOOK:
                return True
            case Role.ACT:
                return self._acts(caller)
            case Role.RENEW:
                return self._acts(caller) or caller.uid == self.renewer

    def _acts(self, caller: PeerProcess) -> bool:
        is_own = caller.uid in (ROOT, os.geteuid())
        return is_own or (self.actors is not None and self.actors in caller.groups)


NO_GROUPS = Roles()
"""Root and the owner act, nobody else."""


@cache
def roles_of_this_machine(owner: Owner) -> Roles:
    """Look the owner's group and its user of updates up."""
    return Roles(actors=_group(owner.actors), renewer=_user(owner.renewer))


def _group(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def _user(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid if name else None
    except KeyError:
        return None


def how_to_act(call: str, owner: Owner) -> str:
    """Say who may act, and how one becomes one of them."""
    return (
        f"{call} changes something: root may, and group {owner.actors}. Use sudo, or: "
        f"sudo usermod -aG {owner.readers},{owner.actors} USER, and log in again"
    )
