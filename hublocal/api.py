"""The local API: JSON lines over a unix stream socket, for hubctl and nobody else.

A client writes `{"id": 1, "api": 1, "call": "status", "args": {...}}`. It reads
`{"id": 1, "api": 1, "result": ...}`, or `"error": {"code": ..., "message": ...}` in place of the
result. The call `tail` is answered by `"tailing"` and then by `{"id": 1, "event": {...}}` lines
until the client closes, with `{"id": 1, "lost": n}` where it was too slow, and with
`{"id": 1, "beat": n}` now and then. The client answers a beat with an empty line. Its `args` may
have `door`, `level` (`info`, `warning`) and `since`. With `since`, what is remembered comes first,
after `{"id": 1, "begins": T}` where it remembers from a later moment on.
A request with `"body": n` is followed by n bytes as they are, for a call that takes them.

Laws:
1. Whoever can connect may look: the socket has mode 0660. `roles` says who may act.
2. A client costs at most the ceilings of this room. It waits for no other client, and cannot hold
   up or end the daemon.
3. In one turn of the event loop one client is served at most one request, and each socket lets one
   newcomer in and sends REFUSALS_A_TURN away.
4. Root has a socket file of its own, which nobody else can open: no other user fills its backlog.
5. A client that gives way is gone at once: there are never more than `tasks_max` tasks for
   clients.
6. What clients provoke is logged once a minute at most, with how often it was.
7. When the hub changes hands, the listeners go on with everybody who waits in them. Who is served
   at that moment is cut off, and asks again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from hubcore.errors import ConfigError
from hubcore.localapi import ROOT_SUFFIX
from hublocal.accepting import accept
from hublocal.calls import Call, CallTable
from hublocal.client import Client, ClientServer, Rest
from hublocal.messages import error_line
from hublocal.owner import Log, Owner
from hublocal.peer import peer_of
from hublocal.places import LIMITS, ROOT, Doing, Limits, Place, Places
from hublocal.roles import NO_GROUPS, Roles
from hublocal.sockets import SocketFile
from hublocal.sparselog import SparseLog
from hublocal.stream import WAITS, Waits
from hublocal.tail.events import EventTail

ACCEPT_PAUSE_SECONDS = 1.0
"""After an accept that failed, as it does when file descriptors run out."""

FILES = ("all", "root")
"""What the two files are called when their listeners change hands."""
BACKLOG = 128
"""Newcomers of one socket that the kernel keeps."""
REFUSALS_A_TURN = 64
REFUSED_PAUSE_SECONDS = 0.01
"""After newcomers were sent away, so that a flood of them costs little of the processor."""
DISMISSED_MAX = 16
"""Clients whose place is another's already, and whose task has not ended yet."""


class LocalApi:
    """The server. `bind` takes the socket or refuses the start; `serve` answers until cancelled."""

    def __init__(
        self,
        path: Path,
        calls: tuple[Call, ...],
        tail: EventTail,
        *,
        owner: Owner,
        log: Log,
        limits: Limits = LIMITS,
        waits: Waits = WAITS,
        rest: Rest = asyncio.sleep,
        roles: Roles = NO_GROUPS,
    ) -> None:
        root_path = path.with_name(path.name + ROOT_SUFFIX)
        self._files: Final = (
            SocketFile(path, 0o660, owner),
            SocketFile(root_path, 0o600, owner),
        )
        self._owner = owner
        self._given: Mapping[str, int] = {}
        self._is_handed_on = False
        self._limits = limits
        self._rest = rest
        self.places: Final = Places(limits)
        self.tasks: Final = set[asyncio.Task[None]]()
        self.tasks_max: Final = limits.clients + DISMISSED_MAX
        self._sparse_log = SparseLog(log)
        self._server = ClientServer(
            calls=CallTable(
                calls=calls,
                handler_seconds=waits.handler,
                log=log,
                sparse_log=self._sparse_log,
                roles=roles,
                owner=owner,
            ),
            tail=tail,
            places=self.places,
            waits=waits,
            rest=rest,
            log=log,
            sparse_log=self._sparse_log,
            owner=owner,
        )

    def bind(self) -> None:
        """Take both files; `close`, or the end of `serve`, gives them up.

        Raise ConfigError when they cannot be taken.
        """
        try:
            for name, file in zip(FILES, self._files, strict=True):
                if name in self._given:
                    file.take_up(self._given[name])
                else:
                    file.bind(BACKLOG)
        except ConfigError:
            self.close()
            raise

    def take_up(self, listeners: Mapping[str, int]) -> None:
        """Let `bind` go on with listeners of another process, by the names in FILES."""
        self._given = listeners

    def hand_on(self) -> None:
        """Let the end of `serve` leave the listeners."""
        self._is_handed_on = True

    def handed_on(self) -> dict[str, int]:
        """Return the listeners after that, the caller's from now on."""
        left = {name: file.hand_on() for name, file in zip(FILES, self._files, strict=True)}
        return {name: descriptor for name, descriptor in left.items() if descriptor is not None}

    @property
    def asking(self) -> int:
        """How many clients wait for an answer."""
        return sum(place.doing is Doing.ASKING for place in self.places.held())

    def close(self) -> None:
        """Give up the sockets and remove their files, but for those that are another's by now."""
        if self._is_handed_on:
            return
        for file in self._files:
            file.close()

    async def serve(self) -> None:
        """Answer clients until cancelled, then remove the sockets.

        Binds when `bind` was not called before.
        """
        try:
            listeners = [file.listener or file.bind(BACKLOG) for file in self._files]
            async with asyncio.TaskGroup() as tasks:
                for listener in listeners:
                    tasks.create_task(self._take_newcomers(listener, tasks))
        finally:
            self.close()

    async def _take_newcomers(self, listener: socket.socket, tasks: asyncio.TaskGroup) -> None:
        """Let one in and send away those before it who may not come, in each turn."""
        while True:
            refused = 0
            newcomer = await self._accept(listener)
            while newcomer is not None and not self._let_in(newcomer, tasks):
                refused += 1
                if refused == REFUSALS_A_TURN:
                    break
                newcomer = _next_in(listener)
            await self._rest(REFUSED_PAUSE_SECONDS if refused else 0.0)

    async def _accept(self, listener: socket.socket) -> socket.socket | None:
        """Wait for a newcomer; None when the accept failed."""
        try:
            connection = await accept(listener)
        except OSError as error:
            self._sparse_log.report("accept_failed", why=error.strerror)
            await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            return None
        return connection

    def _let_in(self, connection: socket.socket, tasks: asyncio.TaskGroup) -> bool:
        """Begin to serve a newcomer, or close its connection; tell which."""
        try:
            caller = peer_of(connection)
        except OSError:
            connection.close()
            return False
        place = self._place(caller.uid)
        if place is None:
            _turn_away(connection, self._owner)
            count = len(self.places)
            self._sparse_log.report("client_refused", uid=caller.uid, clients=count)
            return False
        client = Client(connection, caller, place)
        task = tasks.create_task(self._server.serve(client))
        self.tasks.add(task)
        task.add_done_callback(partial(self._ended, client))
        return True

    def _ended(self, client: Client, task: asyncio.Task[None]) -> None:
        """Clear up after a client's task, also one that ended before it began."""
        self.tasks.discard(task)
        self.places.leave(client.place)
        client.connection.close()

    def _place(self, uid: int) -> Place | None:
        """Return a place for a newcomer; None when there is none, or it comes too fast."""
        kept_for_root = 0 if uid == ROOT else self._limits.root_places
        if len(self.tasks) >= self.tasks_max - kept_for_root:
            return None
        now = asyncio.get_running_loop().time()
        if not self.places.may_come(uid, now):
            return None
        return self.places.enter(uid)


def _turn_away(connection: socket.socket, owner: Owner) -> None:
    """Close the connection of a newcomer; it hears why if it takes a line at once."""
    sentence = (
        f"{owner.program} answers as many clients as it can; end some, or use sudo: "
        "a place is kept for root"
    )
    with suppress(OSError):
        connection.send(error_line(None, "busy", sentence))
    connection.close()


def _next_in(listener: socket.socket) -> socket.socket | None:
    """Return a newcomer who is there already."""
    try:
        connection, _ = listener.accept()
    except OSError:  # there is none, or no descriptor for it: `_accept` says which
        return None
    connection.setblocking(False)
    return connection
