"""How a technician has the evidence signed that he takes along, on the local socket.

Law: it keeps a pace, each user's and that of all, for each signature leaves a record.
"""

from __future__ import annotations

import asyncio

from hubcore.evidence.export import Ends
from hubcore.evidence.records import Head
from hubcore.ports.clock import Clock
from hubcore.timing.pace import Paces, Rate
from hubd.calls.words import TECHNICIAN, Arguments
from hubd.evidence.sealing import ExportSealing
from hublocal.calls import Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role

HASH_BYTES = 32
NUMBER_MAX = (1 << 63) - 1
EACH = Rate(burst=10, per_second=1 / 30)
"""Exports of one user that are signed."""
WHOLE = Rate(burst=20, per_second=1 / 30)
"""Exports of all users: some 3,000 records a day at worst."""
USERS_MAX = 64


class EvidenceCalls:
    """A method for each call."""

    def __init__(self, sealing: ExportSealing, clock: Clock) -> None:
        self._sealing = sealing
        self._clock = clock
        self._paces = Paces(each=EACH, whole=WHOLE, sources_max=USERS_MAX)
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (Call("seal-export", self.seal_export, role=Role.ACT),)

    async def seal_export(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Sign an export; takes {first, before, last, hash}, answers {seal, certificate}, in hex.

        `before` is the hash before record `first`, `hash` that of record `last`.
        """
        ends = _ends(arguments)
        if not self._paces.take(caller.uid, self._clock.monotonic()):
            raise CallRefused("busy", "Too many exports are signed here: wait half a minute.")
        async with self._writing:
            sealed = await self._sealing.seal(ends, TECHNICIAN, caller.uid)
        if sealed is None:
            raise CallRefused(
                "other-records", "These records are not in the evidence of the running hub."
            )
        seal, certificate = sealed
        return {"seal": seal.hex(), "certificate": certificate.hex()}


def _ends(arguments: Arguments) -> Ends:
    """Read what is to be signed. Raise CallRefused."""
    match arguments:
        case {"first": int(first), "before": str(before), "last": int(last), "hash": str(hash_)}:
            is_number = not isinstance(first, bool) and not isinstance(last, bool)
            if is_number and 1 <= first <= last <= NUMBER_MAX:
                return Ends(Head(first - 1, _hash(before)), Head(last, _hash(hash_)))
    raise _not_named()


def _hash(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        raise _not_named() from None
    if len(found) != HASH_BYTES:
        raise _not_named()
    return found


def _not_named() -> CallRefused:
    return CallRefused(
        "bad-export", "An export is named by {first, before, last, hash}, hashes in hexadecimal."
    )
