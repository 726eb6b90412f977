"""What hubs are ordered to do, from the engine's subject of commands.

Laws:
1. A command goes to the hub's newest session, at once. None goes to a stopped hub, or to a key that
   does not count any more.
2. A command waits for a hub that is away until it expires, and not longer (`rules.pocket`).
3. RotateKey waits for nobody: it goes to a hub that is connected, or nowhere.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from nats.aio.msg import Msg

from hubcore.backend.uplink import from_backend
from hubgateway.documents import Send
from hubgateway.rules import zap
from hubgateway.rules.lanes import Session
from hubgateway.rules.pocket import Pocket, read_command


class Orders:
    """`sessions` are those of the gateway, by hub; `keys` says who is enrolled."""

    def __init__(
        self,
        send: Send,
        sessions: Mapping[str, Session],
        keys: zap.Directory,
        ignored: Counter[str],
    ) -> None:
        self._send = send
        self._sessions = sessions
        self._keys = keys
        self._ignored = ignored
        self._pocket = Pocket()

    async def hear(self, message: Msg) -> None:
        """Take what somebody has published for a hub."""
        hub = message.subject.rpartition(".")[2]
        command = read_command(message.data)
        if command is None:
            self._ignored["command"] += 1
            return
        session = self._sessions.get(hub)
        may_hear = session is None or self._may_hear(hub, session)
        if isinstance(command, from_backend.RotateKey):
            if session is not None and may_hear:
                self._send(session.route, command)
            return
        if command.expires_at <= time.time():
            self._ignored["late command"] += 1
        elif not may_hear:
            self._ignored["command for a stopped hub"] += 1
        elif session is None or not self._send(session.route, command):
            self._pocket.keep(hub, command)

    def catch_up(self, hub: str, session: Session) -> None:
        """Give a hub that was just welcomed what still lives of its commands."""
        for command in self._pocket.alive(hub, time.time()):
            self._send(session.route, command)

    def _may_hear(self, hub: str, session: Session) -> bool:
        return not session.halted and zap.holds(self._keys, hub, session.key)
