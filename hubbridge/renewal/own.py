"""The bridge's own pair of key and certificate: renewed by itself, over its way to the backend.

How it works: `hubbridge.rules.nextkey` says what is to be done, and this does it: files, messages,
connections. Hubs and gateways see the pair in force, and a gateway the next one while it is tried.

Laws:
1. What came or was made is on the disk before anything is done by it.
2. A certificate is taken if the site's authority has signed it, for this bridge's name and its
   next key, and if it begins no earlier and ends later than the one in force. Who brought it proves
   nothing. What is refused changes nothing, and people are told.
3. A pair of its own counts before that of the configuration, unless a person has brought one that
   begins later. What does not belong together counts as none.
4. After a failed disk the same step is tried again.
5. One thing is done at a time: no certificate is taken while a pair is made or put in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, assert_never

from hubbridge.renewal.files import OwnFiles
from hubbridge.rules.nextkey import (
    Greeting,
    Happened,
    NextKey,
    NextPhase,
    Now,
    RenewalPace,
    Shown,
    Step,
    renew_at,
)
from hubcore.bridge.backend.from_bridge import FromBridge, OnlyKey, OwnRequest
from hubcore.bridge.backend.ownrequest import sign_own_request
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, pem_of, public_der, read_certificate
from hubcore.errors import ConfigError, RollbackError, StoreError, TrustError
from hubcore.ports.clock import Clock, ClockState
from hubtls.identity import Identity, IdentityFiles, load_identity
from hubtls.keys import private_pem, read_signing_key


@dataclass(frozen=True, slots=True)
class OwnPair:
    """A key with its certificate; `pem` is both as a file of the bridge's own has them."""

    identity: Identity
    key: SigningKey = field(repr=False)
    pem: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class OwnPairs:
    """What the disk has: the pair in force, the next key, the next pair once that is certified."""

    in_force: OwnPair
    next_key: SigningKey | None = field(default=None, repr=False)
    next: OwnPair | None = None

    @property
    def phase(self) -> NextPhase:
        """How far the next pair is."""
        if self.next is not None:
            return NextPhase.CERTIFIED
        return NextPhase.NONE if self.next_key is None else NextPhase.ASKED


def load_pairs(name: TlsName, configured: IdentityFiles, own: OwnFiles) -> OwnPairs:
    """Read what there is (law 3). Raise ConfigError for a configured pair that is none."""
    in_force = _load(name, configured)
    renewed = _load_own(name, configured, own, own.in_force)
    if renewed is not None and renewed.identity.begins >= in_force.identity.begins:
        in_force = renewed
    if own.read(own.next) is None:
        return OwnPairs(in_force)
    try:
        key = read_signing_key(own.next)
    except ConfigError:
        return OwnPairs(in_force)
    if _public(key) == in_force.identity.key:  # cut off just before it was removed
        return OwnPairs(in_force)
    following = _load_own(name, configured, own, own.next)
    if following is None or not _is_newer(following.identity, in_force.identity):
        return OwnPairs(in_force, key)
    return OwnPairs(in_force, key, following)


class Told(Protocol):
    """Who is told what people should know."""

    def trouble(self, what: str) -> None:
        """Something of the bridge itself is wrong."""

    def note(self, what: str) -> None:
        """Something has happened to the bridge itself."""


@dataclass(frozen=True, slots=True)
class Connection:
    """The way to the backend: `say` tells whether it was said; `leave` lets it come again."""

    say: Callable[[FromBridge], bool]
    leave: Callable[[], None]


class OwnRenewal:
    """`put_in_force` hears of each identity that hubs are to see from now on."""

    def __init__(
        self,
        pairs: OwnPairs,
        *,
        configured: IdentityFiles,
        own: OwnFiles,
        make_key: Callable[[], SigningKey],
        put_in_force: Callable[[Identity], None],
        told: Told,
        clock: Clock,
        pace: RenewalPace | None = None,
    ) -> None:
        self._in_force = pairs.in_force
        self._next_key = pairs.next_key
        self._next = pairs.next
        self._configured = configured
        self._own = own
        self._make_key = make_key
        self._put_in_force = put_in_force
        self._told = told
        self._clock = clock
        self._rules = NextKey(pairs.phase, pace or RenewalPace())
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    @property
    def identity(self) -> Identity:
        """What hubs see."""
        return self._in_force.identity

    @property
    def expires(self) -> int:
        """The end of its certificate, Unix seconds."""
        return self.identity.expires

    @property
    def phase(self) -> NextPhase:
        """How far the next pair is."""
        return self._rules.phase

    # The connection.

    def joins(self, connection: Connection) -> None:
        """Join with the way to the backend: each of both calls the other."""
        self._connection = connection

    def for_call(self) -> Identity:
        """A gateway is called; return what it sees."""
        shown = self._rules.to_show(self._now())
        self._rules.called(shown)
        if shown is Shown.NEXT and self._next is not None:
            return self._next.identity
        return self._in_force.identity

    def greeted(self, greeting: Greeting) -> None:
        """The gateway has answered the Hello."""
        self._rules.greeted(greeting)

    def ended(self) -> None:
        """The connection has ended, or there was none."""
        self._rules.ended(self._now())

    # What is done.

    async def look(self) -> None:
        """Do what is due. Raise StoreError: it is due again then (law 4)."""
        async with self._turn:
            while await self._do(self._step()):
                pass

    def _step(self) -> Step:
        identity = self._in_force.identity
        return self._rules.step(renew_at(identity.begins, identity.expires), self._now())

    async def _do(self, step: Step) -> bool:
        """Do one step; tell whether another one may be due at once. Raise StoreError."""
        match step:
            case Step.WAIT:
                return False
            case Step.MAKE:
                await self._make()
            case Step.ASK:
                return self._ask()
            case Step.COME_AGAIN:
                self._leave()
                return False
            case Step.SWITCH:
                await self._switch()
            case Step.DROP:
                await self._drop()
                self._leave()
                return False
            case Step.SAY_ONLY:
                if not self._say(OnlyKey()):
                    return False
                self._rules.said_only()
            case _:
                assert_never(step)
        return True

    async def _make(self) -> None:
        key = self._make_key()
        await asyncio.to_thread(self._own.put, self._own.next, private_pem(key))
        self._next_key = key
        self._rules.happened(Happened.MADE, self._now())
        ends = self._in_force.identity.expires
        self._told.note(f"its certificate ends at {ends}: it asks for one for its next key")

    def _ask(self) -> bool:
        if self._next_key is None:
            return False
        name = self._in_force.identity.name
        document = sign_own_request(name, self._in_force.key, self._next_key)
        if not self._say(OwnRequest(document)):
            return False
        self._rules.asked(self._now())
        return True

    async def _switch(self) -> None:
        """Put the next pair in force (law 1)."""
        following = self._next
        if following is None:
            return
        await asyncio.to_thread(self._own.put, self._own.in_force, following.pem)
        self._in_force = following
        self._next_key = None
        self._next = None
        self._rules.happened(Happened.WORKED, self._now())
        self._put_in_force(following.identity)
        self._told.note(f"its new certificate is in force, until {following.identity.expires}")
        with suppress(StoreError):  # a start removes it as well
            await asyncio.to_thread(self._own.drop_next)

    async def _drop(self) -> None:
        """Forget a next pair that the gateway lets renew alone (nextkey, law 5)."""
        await asyncio.to_thread(self._own.drop_next)
        self._next_key = None
        self._next = None
        self._rules.happened(Happened.DROPPED, self._now())
        self._told.trouble("its next certificate has ended before it was used: it asks for another")

    async def take(self, document: bytes) -> None:
        """Take a certificate (DER) for the next key (laws 2 and 5). Raise StoreError."""
        async with self._turn:
            await self._take(document)

    async def _take(self, document: bytes) -> None:
        try:
            pair = self._proven(document)
        except TrustError as error:
            self._told.trouble(f"a certificate for this bridge is refused: {error}")
            return
        if pair is None:
            return
        await asyncio.to_thread(self._own.put, self._own.next, pair)
        following = _load_own(self.identity.name, self._configured, self._own, self._own.next)
        if following is None:
            raise StoreError(f"{self._own.next} is not what was written there")
        self._next = following
        self._rules.happened(Happened.CERTIFIED, self._now())
        self._told.note(
            f"it has a certificate for its next key, until {following.identity.expires}"
        )

    def _proven(self, document: bytes) -> bytes | None:
        """Return the next pair in PEM; None for what is here already. Raise TrustError."""
        now = self.identity
        certified = read_certificate(document, now.authority, now.name)
        if certified.key == now.key:
            return None  # its own answer, said again
        key = self._next_key
        if key is None or certified.key != _public(key):
            raise TrustError("TLS: the certificate is for another key")
        if certified.not_before < now.begins or certified.expires <= now.expires:
            raise RollbackError("TLS: the certificate begins or ends before the one in force")
        if self._next is not None and certified.expires <= self._next.identity.expires:
            return None
        return private_pem(key) + pem_of(document)

    def _say(self, message: FromBridge) -> bool:
        return self._connection is not None and self._connection.say(message)

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.leave()

    def _now(self) -> Now:
        is_wrong = self._clock.state() is ClockState.BEFORE_BUILD
        return Now(self._clock.monotonic(), None if is_wrong else self._clock.wall())


def _load(name: TlsName, files: IdentityFiles, pem: bytes = b"") -> OwnPair:
    identity = load_identity(name.site, name.role, name.id, files)
    return OwnPair(identity, read_signing_key(files.key), pem)


def _load_own(
    name: TlsName, configured: IdentityFiles, own: OwnFiles, path: Path
) -> OwnPair | None:
    """Read a pair of the bridge's own; None for what is none."""
    pem = own.read(path)
    if pem is None:
        return None
    try:
        return _load(name, IdentityFiles(path, path, configured.authority), pem)
    except ConfigError:
        return None


def _is_newer(following: Identity, in_force: Identity) -> bool:
    return following.begins >= in_force.begins and following.expires > in_force.expires


def _public(key: SigningKey) -> bytes:
    return public_der(key.private.public_key())
