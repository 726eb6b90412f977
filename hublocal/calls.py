"""The calls of the local API: who may make them, and what becomes of one that fails.

Laws:
1. Beside each call stands the role that it needs (`roles`). An act is logged with its caller.
2. A handler that fails is answered and logged. It ends nothing else.
3. Bytes that follow a request are read only for a call that takes so many, from who may make it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from hubcore.errors import HubError
from hublocal.messages import ECHO_CHARS_MAX, Request, error_line, result_line
from hublocal.owner import Log, Owner
from hublocal.peer import PeerProcess
from hublocal.roles import Role, Roles, how_to_act
from hublocal.sparselog import SparseLog

ANSWER_BYTES_MAX = 1024 * 1024
HANDLER_SECONDS = 30.0
TAIL = "tail"
"""The call that is answered by a stream of events, and is none of this table."""

Handler = Callable[[Mapping[str, Any], PeerProcess], Awaitable[object]]
"""Takes the request's `args`, a flat object; returns what JSON can carry.

HubError is answered by its sentence.
"""
BODY = "body"
"""The argument that holds the bytes behind the request, for a call that takes some."""


class CallRefused(HubError):
    """A handler's way to answer with a code of its own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API.

    `role`: who may. `body_bytes_max` is how many bytes may
    follow its request. `goes_on`: it is a part of an act whose begin was logged.
    """

    name: str
    handler: Handler
    role: Role = Role.LOOK
    body_bytes_max: int = 0
    goes_on: bool = False


class CallTable:
    """All calls, by name. Raise ValueError for two of one name."""

    def __init__(
        self,
        *,
        calls: tuple[Call, ...],
        handler_seconds: float,
        log: Log,
        sparse_log: SparseLog,
        roles: Roles,
        owner: Owner,
    ) -> None:
        self._calls: Final = {call.name: call for call in calls}
        self._roles = roles
        self._handler_seconds = handler_seconds
        self._owner = owner
        self._log = log
        self._sparse_log = sparse_log
        is_double = len(self._calls) != len(calls)
        if is_double or TAIL in self._calls:
            raise ValueError("two calls of one name")

    def refused_body(self, request: Request, caller: PeerProcess) -> bytes | None:
        """Return the line that refuses the bytes behind a request; None when they may come."""
        call = self._calls.get(request.call)
        most = 0 if call is None else call.body_bytes_max
        if not request.body:
            return None
        if call is not None and not self._roles.may(caller, call.role):
            self._report_refused(call, caller)
            return error_line(request.id, "not-allowed", how_to_act(call.name, self._owner))
        if request.body <= most:
            return None
        sentence = f"{request.body} bytes follow this request, and it may have {most}"
        return error_line(request.id, "too-long", sentence)

    async def perform(self, request: Request, caller: PeerProcess, body: bytes = b"") -> bytes:
        """Run one call; return the line that answers it, whatever happens in the handler."""
        call = self._calls.get(request.call)
        if call is None:
            names = ", ".join(sorted([*self._calls, TAIL]))
            asked = request.call[:ECHO_CHARS_MAX]
            sentence = f"there is no call {asked!r}; there are {names}"
            return error_line(request.id, "unknown-call", sentence)
        if not self._roles.may(caller, call.role):
            self._report_refused(call, caller)
            return error_line(request.id, "not-allowed", how_to_act(call.name, self._owner))
        if call.role is not Role.LOOK and not call.goes_on:
            self._log.info("write_call", call=call.name, **caller.shown())
        args = {**request.args, BODY: body} if call.body_bytes_max else request.args
        answer = await self._answer(call, request.id, args, caller)
        length = len(answer) - len(b"\n")
        if length > ANSWER_BYTES_MAX:
            sentence = f"the answer has {length} bytes; ask for less"
            return error_line(request.id, "too-large", sentence)
        return answer

    def _report_refused(self, call: Call, caller: PeerProcess) -> None:
        self._sparse_log.report("write_call_refused", call=call.name, **caller.shown())

    async def _answer(
        self, call: Call, call_id: int, args: Mapping[str, Any], caller: PeerProcess
    ) -> bytes:
        try:
            async with asyncio.timeout(self._handler_seconds):
                result = await call.handler(args, caller)
            return result_line(call_id, result)
        except TimeoutError:
            sentence = f"{call.name} took longer than {self._handler_seconds:g} s"
            return error_line(call_id, "timeout", sentence)
        except CallRefused as error:
            return error_line(call_id, error.code, str(error))
        except HubError as error:
            code = type(error).__name__.removesuffix("Error").lower()
            return error_line(call_id, code, str(error))
        except Exception as error:  # a bug in a handler is this call's failure, not the daemon's
            self._sparse_log.report(f"call_failed {call.name}", exc_info=error)
            program = self._owner.program
            sentence = f"{call.name} failed inside {program}; see journalctl -u {program}"
            return error_line(call_id, "internal", sentence)
