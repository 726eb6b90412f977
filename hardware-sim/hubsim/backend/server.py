"""The reference backend: talks with hubs, stores their records, orders remote releases.

Laws:
1. A record is acknowledged only after it is durable and follows the chain. The same record twice is
   stored once and acknowledged twice.
2. Two machines with one hub's keys stop the hub. So does a fork of its records, and a gap. The hub
   and the operator are told why. Until somebody decides (`keep`, `accept`), the backend
   acknowledges nothing of the hub and gives it no order.
3. Who speaks is who the handshake proved. Both id and key are looked up again on every message,
   because a revoked key keeps the connection that it has.

`router` is the socket, `zap` the handshake, `speakers` says who speaks as each hub, `evidence`
holds the records, `orders` the releases.
"""

from __future__ import annotations

import asyncio
import dataclasses
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import zmq
import zmq.asyncio
from zmq.utils import z85

from hubcore.backend.notices import Notices
from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.health import HealthState
from hubcore.backend.uplink.updates import UpdateState
from hubcore.backend.uplink.words import MAX_ACKNOWLEDGED
from hubcore.errors import ConfigError, LinkError, StoreError
from hubcore.evidence.records import StoredRecord
from hubsim.backend.admission.inbox import Inbox, Received
from hubsim.backend.admission.keyring import HubFiles, KeyChanges
from hubsim.backend.admission.renewals import Renewals
from hubsim.backend.admission.zap import Gate
from hubsim.backend.decisions import Decisions
from hubsim.backend.evidence import Evidence, Fork
from hubsim.backend.orders import Orders
from hubsim.backend.policies import PolicyOffers
from hubsim.backend.router import Listening, Router
from hubsim.backend.seats import HubConnection, Seats
from hubsim.backend.speakers import PROBE_SECONDS, Speakers, now_ms
from hubsim.backend.voice import Complaints, shout
from hubsim.site.certificates import Certificates
from hubsim.telemetry import TelemetryBoard

KEY_CHARACTERS = 40
HANDSHAKE_SECONDS = 5.0


class Backend:
    """Serve hubs at `endpoint` (tcp://127.0.0.1:* for any port).

    `secret` is the Curve secret key, Z85 or 32 bytes. `hubs` maps a hub's public key (Z85, 40
    characters) to its id; each handshake looks it up, so add a hub to enrol it. ZAP answers 300
    (come again) for an unknown key or an OSError from the mapping, 400 for a revoked key.
    `directory` holds `records/<hub>.db`, `revoked` and `decisions.json`. `version_of` reads the
    version out of a policy document. `probe_seconds`: see `hubsim.backend.speakers`.
    `next_listening`: where the backend also listens, with its next key, while it changes its own;
    its first endpoint is `endpoint`, the second `next_endpoint`.
    """

    def __init__(
        self,
        endpoint: str,
        secret: str | bytes,
        hubs: Mapping[str, str],
        directory: Path,
        version_of: Callable[[bytes], int] = lambda _document: 0,
        *,
        certificates: Certificates | None = None,
        probe_seconds: float = PROBE_SECONDS,
        next_listening: Listening | None = None,
    ) -> None:
        key = _as_z85(secret)
        if len(key) != KEY_CHARACTERS:
            raise ConfigError(
                f"backend: the secret key has {len(key)} characters, expected 40 of Z85"
            )
        self.endpoint = endpoint
        self.public = zmq.curve_public(key).decode("ascii")
        self.handshake_seconds = HANDSHAKE_SECONDS
        self.serving = asyncio.Event()
        self.ignored: Counter[str] = Counter()
        self._notices = Notices()
        self.telemetry = TelemetryBoard()
        self.update_states: dict[str, UpdateState] = {}
        self.health_states: dict[str, HealthState] = {}
        """What each hub said last of its version."""
        self.gate = Gate(hubs, directory / "revoked", shout)
        self.next_endpoint = "" if next_listening is None else next_listening.endpoint
        self._listening = [Listening(endpoint, key)]
        if next_listening is not None:
            self._listening.append(next_listening)
        self._key_changes = KeyChanges(self.gate, [_pair(one) for one in self._listening])
        self._inbox = Inbox(self.gate, self.ignored)
        self.evidence = Evidence(directory / "records", self.ignored)
        self._router = Router(self.gate, shout)
        self._complain = Complaints()
        self.policies = PolicyOffers(
            connections=lambda: self.speakers.connections,
            send=self._send,
            version_of=version_of,
            ignored=self.ignored,
        )
        self.renewals = Renewals(certificates, self._send)
        self.speakers = Speakers(
            router=self._router,
            decisions=Decisions(directory / "decisions.json"),
            seats=Seats(secrets.token_bytes),
            ignored=self.ignored,
            head_of=self.evidence.head,
            look=self.evidence.greet,
            greeted=self.policies.greeted,
            complain=self._complain,
            probe_seconds=probe_seconds,
        )
        orders = Orders(self.speakers)
        self._answered = orders.answered
        self.release = orders.release
        self.stand = orders.stand
        self.act = orders.act
        self._changed = asyncio.Condition()

    @property
    def connections(self) -> dict[str, HubConnection]:
        """The connection that counts, by hub."""
        return self.speakers.connections

    @property
    def decisions(self) -> Decisions:
        """The hubs that are stopped."""
        return self.speakers.decisions

    @property
    def forks(self) -> list[Fork]:
        """The records that contradict what is held."""
        return self.evidence.forks

    @property
    def repeated_records(self) -> int:
        """How many records came that were held already."""
        return self.evidence.repeated_records

    # The talk.

    async def serve(self) -> None:
        """Serve until cancelled. Raise ConfigError when the endpoint cannot be bound."""
        places = [Listening(self.endpoint, self._listening[0].secret), *self._listening[1:]]
        with self._router.bound(places, self.handshake_seconds) as endpoints:
            self.endpoint = endpoints[0]
            self.next_endpoint = endpoints[1] if len(endpoints) > 1 else ""
            self.serving.set()
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._router.answer_handshakes())
                    group.create_task(self._router.watch())
                    group.create_task(self._receive())
                    group.create_task(self.speakers.look_for_two())
            finally:
                self.serving.clear()
                self.speakers.connections.clear()
                self.evidence.close()

    async def _receive(self) -> None:
        """Take what has come, make its records durable together, then acknowledge them."""
        while True:
            records: dict[str, list[StoredRecord]] = {}
            batch = await self._router.receive()
            self._inbox.look_again()
            for frames in batch:
                received = self._inbox.open(frames)
                if received is not None:
                    self._take(received, records)
            for hub, of_hub in records.items():
                self._keep_records(hub, of_hub)
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(0)

    def _take(self, received: Received, records: dict[str, list[StoredRecord]]) -> None:
        """Do what a message asks for; records are only gathered."""
        hub = received.hub
        message = received.message
        if isinstance(message, from_hub.Hello):
            self._greet(received, message)
            return
        if isinstance(message, from_hub.Alive):
            self.speakers.alive(hub, received.route, message.nonce)
            return
        connection = self.connections.get(hub)
        if connection is None or connection.route != received.route:
            self.ignored["no hello"] += 1
            return
        match message:
            case from_hub.Evidence() if self.decisions.stop(hub) is not None:
                self.ignored["evidence of a stopped hub"] += 1
            case from_hub.Evidence(number, body, digest):
                record = StoredRecord(number, body, digest)
                records.setdefault(hub, []).append(record)
            case from_hub.Result() | from_hub.OrderResult() | from_hub.ActResult():
                if not self._answered(message):
                    self.ignored["result nobody waits for"] += 1
            case from_hub.Notice():
                self._alarm(hub, message)
            case from_hub.Telemetry(values):
                self.telemetry.take(hub, values)
            case UpdateState():
                self.update_states[hub] = message
            case HealthState():
                self.health_states[hub] = message
            case from_hub.PolicyResult():
                self.policies.results[hub] = message
                hello = dataclasses.replace(connection.hello, policy_version=message.version)
                self.connections[hub] = dataclasses.replace(connection, hello=hello)
            case from_hub.CertificateRequest(digest, expires):
                self.renewals.asked(hub, digest, expires)
            case from_hub.PiecesWanted(names):
                self.policies.send_pieces(hub, names)
            case from_hub.NewKey() | from_hub.RetireKey():
                self._take_key(received, message)
            case from_hub.Ping(nonce):
                pong = from_backend.Pong(nonce, now_ms())
                self.speakers.send(hub, pong)

    def _greet(self, received: Received, hello: from_hub.Hello) -> None:
        """Give a hub its newest certificate; a hub whose certificate has ended gets nothing else.

        It is not welcomed: nothing is taken from it, and it gets no order, until it is renewed.
        """
        hub = received.hub
        if not self.renewals.may_speak(hub):
            self.ignored["hello of a hub that may only renew"] += 1
            self.speakers.connections.pop(hub, None)
            return
        for newest in self.renewals.newest(hub):
            self._router.send(received.route, newest)
        self.speakers.greet(hub, HubConnection(received.route, received.key, hello))

    def _send(self, hub: str, message: from_backend.BackendMessage) -> bool:
        return self.speakers.send(hub, message)

    def _alarm(self, hub: str, notice: from_hub.Notice) -> None:
        """Tell of an alarm whose record waits at the hub behind others."""
        newest = self.evidence.head(hub)
        durable = 0 if newest is None else newest.number
        said = self._notices.sentence(hub, notice, durable, time.monotonic())
        if said:
            shout(said)

    def _take_key(self, received: Received, message: from_hub.NewKey | from_hub.RetireKey) -> None:
        """Change a hub's keys as it asks, and answer; say nothing when the disk refuses."""
        hub = received.hub
        try:
            taken = self._key_changes.answer(hub, received.key, message)
        except OSError as error:
            self._complain(hub, f"its keys cannot be written: {error}")
            return
        self._inbox.look_again()
        if taken.refused:
            self._complain(hub, f"its new key is refused: {taken.refused}")
        self.speakers.send(hub, taken)

    def _keep_records(self, hub: str, records: list[StoredRecord]) -> None:
        """Make the records durable, then acknowledge them; stop the hub when its chain breaks."""
        try:
            taken = self.evidence.take(hub, records)
            if taken.stop is not None:
                self.speakers.stop(hub, taken.stop)
        except StoreError as error:
            self._complain(hub, f"{error}; nothing is acknowledged")
            return
        for alarm in taken.alarms:
            shout(alarm)
        for start in range(0, len(taken.held), MAX_ACKNOWLEDGED):
            numbers = taken.held[start : start + MAX_ACKNOWLEDGED]
            self.speakers.send(hub, from_backend.Acknowledge(numbers))

    # What operators do.

    def revoke(self, public_key: str) -> None:
        """Refuse this key from now on, also on the connection that it may have."""
        self.gate.revoke(public_key)
        self.speakers.drop_key(public_key)

    def rotate(self, hub: str) -> str:
        """Ask a hub for a new key; return the one that is to go, in Z85. Raise LinkError."""
        connection = self.connections.get(hub)
        if connection is None:
            raise LinkError(f"backend: hub {hub} is away; ask again when it is there")
        key = z85.decode(connection.key.encode())
        if not self.speakers.send(hub, from_backend.RotateKey(key)):
            raise LinkError(f"backend: hub {hub} takes no message now; ask again")
        return connection.key

    def know(self, hub: str, key: str) -> None:
        """Know a hub by this key (Z85) alone from now on.

        Raise ValueError for a key that it cannot be, OSError when the disk refuses.
        """
        hubs = self.gate.hubs
        if not isinstance(hubs, HubFiles):
            raise ConfigError("backend: it cannot change the keys of hubs")
        if self.gate.is_revoked(key):
            raise ValueError("this key is revoked")
        hubs.know(hub, key)
        self._inbox.look_again()
        self.gate.unknown.pop(key, None)
        self.gate.came_with_retired.discard(hub)

    def keep(self, hub: str, boot: str) -> str:
        """Decide that the machine whose boot id begins so stays the hub: `Speakers.keep`."""
        return self.speakers.keep(hub, boot)

    def accept(self, hub: str) -> Path:
        """Take the chain that did not follow as the hub's; return where the old one is kept.

        Raise ValueError when the hub is not stopped for a break in its records, StoreError when the
        disk refuses.
        """
        self.speakers.check_acceptable(hub)
        archive = self.evidence.accept_rival(hub)
        self.speakers.go_on(hub)
        return archive

    def begin_again(self, hub: str) -> None:
        """Put a hub's records aside, and any stop: another machine takes its place.

        Raise StoreError when the disk refuses.
        """
        self.evidence.begin_again(hub)
        self.decisions.end(hub)

    def records(self, hub: str) -> list[StoredRecord]:
        """Return the hub's records in order, none for a hub that never sent one."""
        return self.evidence.records(hub)

    async def wait_for(self, predicate: Callable[[Backend], bool], seconds: float = 10.0) -> None:
        """Return when the predicate holds, looked at after every batch of messages.

        Raise TimeoutError.
        """
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: predicate(self))


def _as_z85(secret: str | bytes) -> bytes:
    if isinstance(secret, str):
        return secret.encode()
    return z85.encode(secret)


def _pair(listening: Listening) -> tuple[bytes, bytes]:
    """Return the secret and the public key of a place."""
    public = zmq.curve_public(listening.secret)
    return z85.decode(listening.secret), z85.decode(public)
