"""What the daemon answers about its policy on the local socket, and how a tool loads one.

Laws:
1. The tool reads files with its own rights and sends bytes. The daemon opens no path for anybody.
2. The bytes prove themselves, as those of any carrier do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError
from hubcore.policy.document import MAX_BYTES
from hubcore.policy.onstick import HANDFUL
from hubcore.policy.tree import PIECE_BYTES
from hubcore.ports.clock import Clock
from hubcore.ports.stores import PolicyContents
from hubd.policy.load import LoadState, PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hubd.threads import run_in_thread
from hublocal.calls import BODY, Call, CallRefused
from hublocal.peer import PeerProcess
from hublocal.roles import Role

Arguments = Mapping[str, Any]
_PIECE_HEAD_BYTES = 5


class PolicyCalls:
    """A method for each call."""

    def __init__(
        self,
        loads: PolicyLoads,
        policy: ProvenPolicy,
        contents: Callable[[], PolicyContents | None],
        clock: Clock,
    ) -> None:
        """`contents` counts what the policy on the disk holds, in a thread; raises StoreError."""
        self._loads = loads
        self._policy = policy
        self._contents = contents
        self._clock = clock
        self._counting = asyncio.Lock()
        self._counted: PolicyContents | None = None

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        handful_bytes = HANDFUL * (PIECE_BYTES + _PIECE_HEAD_BYTES)
        return (
            Call("policy", self.show),
            Call("policy-offer", self.offer, role=Role.ACT, body_bytes_max=MAX_BYTES),
            Call(
                "policy-bring",
                self.bring,
                role=Role.ACT,
                body_bytes_max=handful_bytes,
                goes_on=True,
            ),
        )

    async def show(self, _arguments: Arguments, _caller: object) -> object:
        """Answer which policy is in force and what it holds.

        Version 0: none is, or none that the hub believes. The digest is that of its root.
        """
        version = self._policy.version()
        if not version:
            return {"version": 0}
        counted = await self._count(self._policy.digest())
        if counted is None:
            raise CallRefused("policy-changes", "Another policy comes into force: ask again.")
        age_seconds = round(self._clock.wall()) - counted.issued_at
        return {
            "version": counted.version,
            "digest": counted.digest.hex(),
            "issued": counted.issued_at,
            "age_seconds": max(0, age_seconds),
            "ahead_seconds": max(0, -age_seconds),
            "rows": {table.name.lower(): rows for table, rows in counted.rows.items()},
        }

    async def _count(self, digest: bytes) -> PolicyContents | None:
        """Count once for each policy; None when the one on the disk is another."""
        async with self._counting:
            known = self._counted
            if known is None or known.digest != digest:
                known = await run_in_thread("policy-counter", self._contents)
                self._counted = known
        return known if known is not None and known.digest == digest else None

    async def offer(self, arguments: Arguments, caller: PeerProcess) -> object:
        """Take the root of a policy, which is the body; answer how its load stands."""
        document: bytes = arguments[BODY]
        if not document:
            raise CallRefused("bad-policy", "The root of a policy is the body of this request.")
        state = self._loads.offer(document, caller.uid)
        if state is None:
            raise CallRefused(
                "load-busy",
                "Another policy is being loaded here: wait until it is done, or for some seconds "
                "when the tool that loads it has gone, and load yours again.",
            )
        return _shown(state)

    async def bring(self, arguments: Arguments, _caller: object) -> object:
        """Take pieces, which are the body, or wait for news where there are none.

        Takes {load, round}; answers how the load stands.
        """
        match arguments.get("load"), arguments.get("round", 0):
            case int(number), int(after):
                pieces = _pieces(arguments[BODY])
                state = await self._loads.bring(number, after, pieces)
            case _:
                raise CallRefused("bad-load", "`load` and `round` are the numbers of a load.")
        if state is None:
            raise CallRefused("no-load", "There is no such load any more: load the policy again.")
        return _shown(state)


def _pieces(body: bytes) -> Sequence[bytes]:
    """Split a CBOR sequence of byte strings. Raise CallRefused."""
    cursor = Cursor(body)
    pieces: list[bytes] = []
    try:
        while cursor.at < len(body):
            pieces.append(cursor.string(1, PIECE_BYTES))
            if len(pieces) > HANDFUL:
                raise FrameError(f"more than {HANDFUL}")
    except FrameError as error:
        raise CallRefused("bad-pieces", f"These are no pieces of a policy: {error}.") from error
    return pieces


def _shown(state: LoadState) -> Mapping[str, object]:
    return {
        "load": state.number,
        "phase": state.phase.value,
        "round": state.round,
        "wanted": [name.hex() for name in state.wanted],
        "version": state.version,
        "why": state.why,
    }
