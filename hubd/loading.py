"""What the daemon answers about its policy on the local socket, and how a tool loads one.

Laws:
1. The tool reads files with its own rights and sends bytes. The daemon opens no path for anybody.
2. The bytes prove themselves, as those of any carrier do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hubcore.codec.cbor import Cursor
from hubcore.errors import FrameError
from hubcore.policy.document import MAX_BYTES
from hubcore.policy.tree import PIECE_BYTES
from hubd.adapters.host.peer import PeerProcess
from hubd.adapters.local.calls import BODY, Call, CallRefused
from hubd.policy.load import HANDFUL, LoadState, PolicyLoads

Arguments = Mapping[str, Any]
_PIECE_HEAD_BYTES = 5


class PolicyCalls:
    """A method for each call."""

    def __init__(self, loads: PolicyLoads) -> None:
        self._loads = loads

    def table(self) -> tuple[Call, ...]:
        """Return the calls by name."""
        handful_bytes = HANDFUL * (PIECE_BYTES + _PIECE_HEAD_BYTES)
        return (
            Call("policy-offer", self.offer, writes=True, body_bytes_max=MAX_BYTES),
            Call(
                "policy-bring",
                self.bring,
                writes=True,
                body_bytes_max=handful_bytes,
                goes_on=True,
            ),
        )

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
