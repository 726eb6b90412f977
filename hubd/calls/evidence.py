"""How a technician has the evidence signed that he takes along, on the local socket."""

from __future__ import annotations

import asyncio

from hubcore.evidence.export import Ends
from hubcore.evidence.records import Head
from hubd.adapters.host.peer import PeerProcess
from hubd.adapters.local.calls import Call, CallRefused
from hubd.adapters.local.roles import Role
from hubd.calls.words import TECHNICIAN, Arguments
from hubd.evidence.sealing import ExportSealing

HASH_BYTES = 32
NUMBER_MAX = (1 << 63) - 1


class EvidenceCalls:
    """A method for each call."""

    def __init__(self, sealing: ExportSealing) -> None:
        self._sealing = sealing
        self._writing = asyncio.Lock()

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        return (Call("seal-export", self.seal_export, role=Role.ACT),)

    async def seal_export(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Sign an export; takes {first, before, last, hash}, answers {seal, certificate}, in hex.

        `before` is the hash before record `first`, `hash` that of record `last`.
        """
        ends = _ends(arguments)
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
            if 1 <= first <= last <= NUMBER_MAX:
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
