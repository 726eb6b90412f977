"""Who may do what on the local socket: by the kernel's word of the user and the groups.

Laws:
1. Whoever can connect may look. The socket's file decides that, by its group and mode.
2. Root, the owner itself and the members of its group of actors may act.
3. A group that does not exist has no members. Groups that the kernel does not tell are none.
"""

from __future__ import annotations

import grp
import os
from dataclasses import dataclass
from enum import Enum, auto

from hublocal.owner import Owner
from hublocal.peer import PeerProcess

ROOT = 0


class Role(Enum):
    """What a call needs."""

    LOOK = auto()
    ACT = auto()


@dataclass(frozen=True, slots=True)
class Roles:
    """Who has which role; `actors` is the number of the group, None where there is none."""

    actors: int | None = None

    def may(self, caller: PeerProcess, role: Role) -> bool:
        """Tell whether a caller has a role."""
        match role:
            case Role.LOOK:
                return True
            case Role.ACT:
                is_own = caller.uid in (ROOT, os.geteuid())
                return is_own or (self.actors is not None and self.actors in caller.groups)


NO_GROUPS = Roles()
"""Root and the owner act, nobody else."""


def roles_of_this_machine(owner: Owner) -> Roles:
    """Look the owner's groups up."""
    try:
        return Roles(actors=grp.getgrnam(owner.actors).gr_gid)
    except KeyError:
        return Roles()


def how_to_act(call: str, owner: Owner) -> str:
    """Say who may act, and how one becomes one of them."""
    return (
        f"{call} changes something: root may, and group {owner.actors}. Use sudo, or: "
        f"sudo usermod -aG {owner.readers},{owner.actors} USER, and log in again"
    )
