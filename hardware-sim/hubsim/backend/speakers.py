"""Who speaks as each hub: greets hubs, notices two machines with one hub's keys, stops hubs.

Laws:
1. Two machines that speak as one hub are known by their first answers to a Probe (`seats`), which
   goes to both at the second Hello and then every PROBE_SECONDS. Both hear of it.
2. While a second connection of a hub may be open, no order goes out: nobody knows yet which machine
   would carry it out.
3. A stopped hub gets no order until somebody decides.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from hubcore.backend.uplink import from_backend, from_hub
from hubcore.backend.uplink.fields import sentence
from hubcore.backend.uplink.words import NONCE_BYTES, PROTOCOL, Cause
from hubcore.errors import LinkError, StoreError
from hubcore.evidence.records import GENESIS, StoredRecord
from hubsim.backend.decisions import Decisions, Stop
from hubsim.backend.evidence import Greeted
from hubsim.backend.router import Router, Sent
from hubsim.backend.seats import BOOT_DIGITS, HubConnection, Seats
from hubsim.backend.voice import Complaints, shout

PROBE_SECONDS = 5.0
_NOTHING = from_backend.Pong(bytes(NONCE_BYTES), 0)
"""Means nothing to a hub that sent no Ping."""
_DECIDED_AGAINST = "another machine stays this hub; give this one an id and keys of its own"


class Speakers:
    """`head_of` gives the newest record held of a hub; `greeted` hears of each hub that is let in.

    `look` holds a Hello against the records.
    `connections` has the one that counts, by hub. `ignored` counts what is not taken.
    """

    def __init__(
        self,
        router: Router,
        decisions: Decisions,
        seats: Seats,
        ignored: Counter[str],
        head_of: Callable[[str], StoredRecord | None],
        look: Callable[[str, from_hub.Hello], Greeted],
        greeted: Callable[[str, from_hub.Hello], None],
        complain: Complaints,
        probe_seconds: float,
    ) -> None:
        self.connections: dict[str, HubConnection] = {}
        self.decisions = decisions
        self.seats = seats
        self._router = router
        self._ignored = ignored
        self._head_of = head_of
        self._look = look
        self._greeted = greeted
        self._complain = complain
        self._probe_seconds = probe_seconds
        self._while_stopped: dict[str, dict[str, HubConnection]] = {}
        """Of stopped hubs: the newest connection of each boot."""

    # Connections.

    def greet(self, hub: str, connection: HubConnection) -> None:
        """Take a Hello: welcome the hub, or tell it why it is stopped."""
        hello = connection.hello
        if hello.hub != hub or hello.protocol != PROTOCOL:
            self._ignored["hello of another hub or protocol"] += 1
            return
        if self.decisions.is_refused(hub, hello.boot_id):
            self._ignored["hello of a machine decided against"] += 1
            self._say_decided_against(hub, connection)
            return
        counts = self.seats.hello(hub, connection)
        stop = self.decisions.stop(hub)
        if stop is not None:
            self._remember_while_stopped(hub, connection)
            self._router.send(connection.route, self._halt(hub, stop))
        if counts:
            self._let_in(hub, connection)
        self._probe(hub)

    def alive(self, hub: str, route: bytes, nonce: bytes) -> None:
        """Take the answer to a Probe."""
        counts_now = self.seats.alive(hub, route, nonce)
        boots = self.seats.two(hub)
        if boots:
            self._stop_two(hub, boots)
        if counts_now is not None:
            self._let_in(hub, counts_now)

    def _let_in(self, hub: str, connection: HubConnection) -> None:
        """Let a connection speak, and say Welcome unless the hub is stopped."""
        self.connections[hub] = connection
        try:
            self._compare(hub, connection.hello)
            if self.decisions.stop(hub) is None:
                self.send(hub, self._welcome(hub))
        except StoreError as error:
            self._complain(hub, f"{error}; it gets no Welcome")
            return
        self._greeted(hub, connection.hello)

    def _compare(self, hub: str, hello: from_hub.Hello) -> None:
        """Hold the records that a hub says it has against those held here."""
        if self.decisions.stop(hub) is not None:
            return
        greeted = self._look(hub, hello)
        if greeted.stop is not None:
            self.stop(hub, greeted.stop)
        if greeted.lost:
            self._complain(
                hub,
                f"{greeted.lost} of its records were acknowledged and are not here: "
                "these records are an older copy. The hub sends again what it still has",
            )

    def _welcome(self, hub: str) -> from_backend.Welcome:
        head = self._head_of(hub)
        return from_backend.Welcome(
            time_ms=now_ms(),
            durable=head.number if head else 0,
            durable_hash=head.hash if head else GENESIS,
        )

    def send(self, hub: str, message: from_backend.BackendMessage) -> bool:
        """Hand a message over to the hub; False when it is away or its queue is full."""
        connection = self.connections.get(hub)
        if connection is None:
            return False
        sent = self._router.send(connection.route, message)
        if sent is Sent.CLOSED:
            del self.connections[hub]
        return sent is Sent.HANDED_OVER

    def is_connected(self, hub: str) -> bool:
        """Tell whether a hub is there now: a connection that closed is known by sending alone."""
        self.send(hub, _NOTHING)
        return hub in self.connections

    def drop_key(self, public_key: str) -> None:
        """Forget the connections that came with a key."""
        for hub, connection in list(self.connections.items()):
            if connection.key == public_key:
                del self.connections[hub]

    # Two machines.

    async def look_for_two(self) -> None:
        """Ask now and then who is there, where that is not known."""
        while True:
            await asyncio.sleep(self._probe_seconds)
            for hub in self.seats.hubs:
                self._probe(hub)

    def _probe(self, hub: str) -> None:
        """Ask on each connection whether somebody is there; note which are closed."""
        for route, nonce in self.seats.probes(hub):
            if self._router.send(route, from_backend.Probe(nonce)) is Sent.CLOSED:
                self.seats.closed(hub, route)

    def _may_be_two(self, hub: str) -> bool:
        """Tell whether a connection is open beside the one that counts, as far as is known."""
        self._probe(hub)
        return bool(self.seats.others(hub))

    def _stop_two(self, hub: str, boots: tuple[str, ...]) -> None:
        short = [boot[:BOOT_DIGITS] for boot in dict.fromkeys(boots)]
        detail = f"two machines speak as this hub: boot ids {' and '.join(short)}"
        stop = Stop(Cause.TWO_HUBS, detail, boots)
        self.stop(hub, stop)

    # Stops, and their end.

    def stop(self, hub: str, stop: Stop) -> None:
        """Stop a hub; tell people, and the hub on every connection that it may have.

        A copy is often noticed as a fork first, by the records of both. Two machines is the graver
        cause and takes the place of another one.
        """
        before = self.decisions.stop(hub)
        if before is not None and not _is_graver(stop, before):
            return
        self.decisions.set(hub, stop)
        shout(
            f"hub {hub}: {stop.cause.name}: {stop.detail}; no order is given to it until somebody "
            "decides"
        )
        halt = self._halt(hub, stop)
        counts = self.seats.connection(hub)
        speaking = (*self.seats.others(hub), *((counts,) if counts else ()))
        for connection in speaking:
            self._remember_while_stopped(hub, connection)
            self._router.send(connection.route, halt)

    def _remember_while_stopped(self, hub: str, connection: HubConnection) -> None:
        by_boot = self._while_stopped.setdefault(hub, {})
        by_boot[connection.boot] = connection

    def _halt(self, hub: str, stop: Stop) -> from_backend.Halt:
        head = self._head_of(hub)
        return from_backend.Halt(
            stop.cause,
            head.number if head else 0,
            head.hash if head else GENESIS,
            sentence(stop.detail),
        )

    def _say_decided_against(self, hub: str, connection: HubConnection) -> None:
        stop = Stop(Cause.TWO_HUBS, _DECIDED_AGAINST)
        halt = self._halt(hub, stop)
        self._router.send(connection.route, halt)

    def refuse_orders(self, hub: str) -> None:
        """Raise LinkError while it is not known which machine would carry out an order."""
        stop = self.decisions.stop(hub)
        if stop is not None:
            way = "keep" if stop.cause is Cause.TWO_HUBS else "accept"
            raise LinkError(
                f"backend: hub {hub} gets no order: {stop.detail}; decide with "
                f"`hubsim backend {way}`"
            )
        if self._may_be_two(hub):
            raise LinkError(
                f"backend: hub {hub} gets no order yet: it came back while its earlier connection "
                "is still open; ask again in 20 s"
            )

    def keep(self, hub: str, boot: str) -> str:
        """Decide that the machine whose boot id begins so stays the hub; return that id.

        Raise ValueError when the hub has no such question open, or when `boot` does not mean
        exactly one of its boots.
        """
        stop = self.decisions.stop(hub)
        if stop is None or stop.cause is not Cause.TWO_HUBS:
            raise ValueError(f"hub {hub} is not stopped for two machines that speak as it")
        heard = self._while_stopped.get(hub, {})
        seated = self.seats.boots(hub)
        boots = dict.fromkeys((*stop.boots, *seated, *heard))
        prefix = boot.lower()
        meant = [known for known in boots if prefix and known.startswith(prefix)]
        if len(meant) != 1:
            there = ", ".join(known[:BOOT_DIGITS] for known in boots)
            raise ValueError(f"boot {boot!r} is not one of those that speak as {hub}: {there}")
        stays = meant[0]
        self._while_stopped.pop(hub, None)
        go = [known for known in boots if known != stays]
        self.decisions.end(hub, refused=tuple(go))
        self.seats.forget(hub)
        self.connections.pop(hub, None)
        for known, connection in heard.items():
            if known == stays:
                self.greet(hub, connection)
            else:
                self._say_decided_against(hub, connection)
        return stays

    def check_acceptable(self, hub: str) -> None:
        """Raise ValueError unless the hub is stopped for a break in its records alone."""
        stop = self.decisions.stop(hub)
        if stop is None or stop.cause is Cause.TWO_HUBS:
            raise ValueError(f"hub {hub} is not stopped for a break in its records")
        if self._may_be_two(hub):
            raise ValueError(
                f"a second connection of hub {hub} is still open: try again in 20 s; if two "
                "machines speak as this hub, that is to be decided first"
            )

    def go_on(self, hub: str) -> None:
        """End a hub's stop and welcome it."""
        self.decisions.end(hub)
        self._while_stopped.pop(hub, None)
        self.send(hub, self._welcome(hub))


def _is_graver(stop: Stop, before: Stop) -> bool:
    if before.cause is Cause.TWO_HUBS:
        return False
    return stop.cause is Cause.TWO_HUBS


def now_ms() -> int:
    """Unix milliseconds."""
    return int(time.time() * 1000)
