"""One client of the local API, from its first line to its end.

Laws:
1. A client is served one request at a time, each when its turn comes (`places`).
2. Nothing that a client does or provokes ends anything but its own connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import msgspec

from hubcore.localapi import API
from hublocal.calls import TAIL, CallTable
from hublocal.messages import ECHO_CHARS_MAX, Request, error_line, result_line
from hublocal.owner import Log, Owner
from hublocal.peer import PeerProcess
from hublocal.places import Doing, Place, Places
from hublocal.sparselog import SparseLog
from hublocal.stream import ClientStream, GoneError, Waits, open_stream
from hublocal.tail.events import EventTail, Filter
from hublocal.tail.telling import Beats, SilentError, filter_of, past_lines, tell_events

Rest = Callable[[float], Awaitable[None]]
"""Lets others have their turn for so many seconds; for one turn of the event loop when it is 0."""


@dataclass(frozen=True, slots=True)
class Client:
    """One client that was let in."""

    connection: socket.socket
    caller: PeerProcess
    place: Place


class ClientServer:
    """Serves clients that have a place, each in a task of its own."""

    def __init__(
        self,
        *,
        calls: CallTable,
        tail: EventTail,
        places: Places,
        waits: Waits,
        rest: Rest,
        log: Log,
        sparse_log: SparseLog,
        owner: Owner,
    ) -> None:
        self._calls = calls
        self._tail = tail
        self._places = places
        self._waits = waits
        self._rest = rest
        self._log = log
        self._sparse_log = sparse_log
        self._owner = owner

    async def serve(self, client: Client) -> None:
        """Serve one client from connect to close; it gives its place back. Raise nothing."""
        try:
            stream = await open_stream(client.connection, self._waits, self._owner.program)
            try:
                await self._serve_requests(client, stream)
            finally:
                stream.abort()
        except (GoneError, OSError):
            pass
        except Exception as error:  # a bug in here must not stop the doors
            self._sparse_log.report("client_failed", exc_info=error)
        finally:
            self._places.leave(client.place)

    async def _serve_requests(self, client: Client, stream: ClientStream) -> None:
        task = asyncio.current_task()
        place = client.place

        def dismiss() -> None:
            if task is not None:
                task.cancel()  # it ends, also asleep
            stream.dismiss()

        place.dismiss = dismiss
        self._log.debug("client", **client.caller.shown())
        place.now(Doing.IDLE, _now())
        while line := await stream.line():
            await self._turn(place)
            place.now(Doing.ASKING, _now())
            await self._answer(line, client, stream)
            place.now(Doing.IDLE, _now())

    async def _turn(self, place: Place) -> None:
        """Return when it is the client's turn, at least one turn of the event loop later."""
        wait_seconds = self._places.wait_seconds(place, _now())
        await self._rest(wait_seconds)
        self._places.served(place)

    async def _answer(self, line: bytes, client: Client, stream: ClientStream) -> None:
        """Answer one request.

        Raise GoneError when a tail has ended, and with it the client, and when bytes follow that
        nobody reads.
        """
        try:
            request = msgspec.json.decode(line, type=Request)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            sentence = f"this is no request: {error}"[:ECHO_CHARS_MAX]
            await stream.write(error_line(None, "bad-request", sentence))
            return
        if request.api != API:
            sentence = (
                f"hubctl speaks version {request.api} of the local API, and this "
                f"{self._owner.program} {API}"
            )
            await stream.write(error_line(request.id, "version", sentence))
            raise GoneError
        refused = self._calls.refused_body(request, client.caller)
        if refused is not None:
            await stream.write(refused)
            raise GoneError
        if request.call == TAIL:
            try:
                asked = filter_of(request.args)
            except ValueError as error:
                await stream.write(error_line(request.id, "bad-filter", str(error)))
                return
            await self._send_events(request.id, asked, client.place, stream)
            raise GoneError
        body = await stream.body(request.body)
        answer = await self._calls.perform(request, client.caller, body)
        await stream.write(answer)

    async def _send_events(
        self, call_id: int, asked: Filter, place: Place, stream: ClientStream
    ) -> None:
        """Send events until the client closes or no longer answers.

        What it sends is read and dropped.
        """
        self._places.tail(place, _now())
        beats = Beats()
        with self._tail.subscribe(asked) as subscription:
            past = past_lines(call_id, subscription)
            await stream.write(result_line(call_id, "tailing") + past)
            telling = tell_events(
                call_id=call_id,
                subscription=subscription,
                beats=beats,
                beat_seconds=self._waits.beat,
                write=stream.write,
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._until_closed(stream, place, beats))
                    tasks.create_task(telling)
            except* (GoneError, OSError, SilentError):
                pass

    async def _until_closed(self, stream: ClientStream, place: Place, beats: Beats) -> None:
        """Raise GoneError when the client has closed; whatever it sends shows that it is there."""
        while await stream.received():
            beats.unanswered = 0
            await self._turn(place)
        raise GoneError


def _now() -> float:
    return asyncio.get_running_loop().time()
