"""What the backend answers a machine that wants to be a hub, and what its operator decides.

Laws:
1. The issuer's key is not here. An operator's command signs; what is signed is proven before it is
   believed.
2. Of all questions ASKS are looked at, from all machines together.
3. A hub is known by one key. When a new machine takes its place, the old key is revoked before the
   new one is known.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from zmq.utils import z85

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import (
    Ask,
    FromBackend,
    Refused,
    RefusedCause,
    Waiting,
)
from hubcore.backend.enrolment.ofsite import OfSite, check_certificates, enrolled
from hubcore.backend.enrolment.promise import ASKS, Promise, Signed, Turn, judge, promise_of
from hubcore.backend.enrolment.token import SECRET_BYTES, Token, digest_of, trust_of, write_token
from hubcore.errors import TrustError
from hubcore.timing.pace import Bucket
from hubsim.backend.admission.zap import Gate
from hubsim.backend.voice import shout
from hubsim.durable import write_durably
from hubsim.enrolment.book import Book, Write

KEY_SUFFIX = ".curve.pub"


class Desk:
    """The desk; `begin_again` puts the records of a hub aside whose machine is replaced."""

    def __init__(
        self,
        directory: Path,
        of_site: OfSite,
        public: bytes,
        gate: Gate,
        revoke: Callable[[str], None],
        begin_again: Callable[[str], None],
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        write: Write = write_durably,
    ) -> None:
        """`directory` is the backend's, `public` the enrolment port's own key."""
        self.book = Book(directory / "enrolment.json", write)
        self._write = write
        self.of_site = of_site
        self._keys = directory / "hubs"
        self._trust = trust_of(public)
        self._gate = gate
        self._revoke = revoke
        self._begin_again = begin_again
        self._clock = clock
        self._monotonic = monotonic
        self._asks = Bucket(ASKS)
        self.left_out = 0

    # What machines ask.

    def answer(self, data: bytes, curve: str) -> FromBackend | None:
        """Answer one message of the machine with this CURVE key (Z85), None for none."""
        if not self._asks.take(self._monotonic()):
            self.left_out += 1
            return Refused(RefusedCause.BUSY, "many ask at once")
        ask = messages.read_ask(data)
        if not isinstance(ask, Ask):
            return ask
        entry = self.book.entry_of(digest_of(ask.secret))
        key = z85.decode(curve)
        turn = judge(entry, ask, key, self._clock())
        if isinstance(turn, Refused):
            return turn
        assert entry is not None
        return self._answer_of(turn, entry, ask, key)

    def _answer_of(self, turn: Turn, entry: Promise, ask: Ask, key: bytes) -> FromBackend:
        if turn is Turn.ENROL:
            return enrolled(entry, self.of_site)
        if turn is Turn.BIND:
            try:
                self.book.bind(entry, ask, key)
            except OSError as error:
                shout(f"hub {entry.hub} asks with its token, which cannot be written: {error}")
                return Refused(RefusedCause.BUSY, "the backend cannot write to its disk")
        return Waiting(self.of_site.site, entry.hub)

    # What operators decide.

    def now(self) -> float:
        """Return the moment by which tokens end, Unix seconds."""
        return self._clock()

    def promise(self, hub: str, names: Mapping[int, str], time_zone: str, replaces: bool) -> str:
        """Return a new token for a hub. Raise ValueError for one that is there already."""
        if hub in self._gate.hubs.values() and not replaces:
            raise ValueError(
                f"hub {hub} is enrolled: choose another id, or replace its machine (--replace)"
            )
        secret = secrets.token_bytes(SECRET_BYTES)
        entry = promise_of(hub, digest_of(secret), self._clock(), names, time_zone, replaces)
        self.book.promise(entry)
        return write_token(Token(self._trust, secret))

    def approve(self, hub: str, signed: Signed) -> None:
        """Take a hub in with its certificates. Raise ValueError. It may be done again."""
        entry = self.book.entries.get(hub)
        if entry is None or not entry.identity:
            raise ValueError(f"no machine has asked with the token of hub {hub} yet")
        if entry.refused:
            raise ValueError(f"hub {hub} was refused: make it a new token")
        try:
            check_certificates(entry, signed, self.of_site)
        except TrustError as error:
            raise ValueError(str(error)) from error
        if not entry.certificate:  # later on the hub may have changed its key by itself
            curve = z85.encode(bytes.fromhex(entry.curve)).decode("ascii")
            self._must_be_of_no_other(hub, curve)
            self._take_in(hub, curve)
        self.book.approve(hub, signed)

    def _must_be_of_no_other(self, hub: str, curve: str) -> None:
        """Raise ValueError for a key that was revoked, or is another hub's."""
        owner = self._gate.hubs.get(curve)
        if owner not in (None, hub) or self._gate.is_revoked(curve):
            whose = f"is that of hub {owner}" if owner not in (None, hub) else "was revoked"
            raise ValueError(
                f"the key of the machine that asks to be hub {hub} {whose}: make it a new token "
                "(--replace), and type hubctl enroll --anew there"
            )

    def _take_in(self, hub: str, curve: str) -> None:
        """Know a hub by this key alone."""
        old = self._gate.keys_of(hub)
        if old == (curve,):
            return
        for key in old:
            self._revoke(key)
        if old:
            self._begin_again(hub)
        self._write(self._keys / f"{hub}{KEY_SUFFIX}", curve)

    def end(self, hub: str) -> None:
        """End a hub for good: its key is revoked, its token of no use, its records put aside.

        A machine that gets the id one day begins a chain of its own. Raise ValueError.
        """
        old = self._gate.keys_of(hub)
        if not old and hub not in self.book.entries:
            raise ValueError(f"no hub {hub} is enrolled")
        for key in old:
            self._revoke(key)
        (self._keys / f"{hub}{KEY_SUFFIX}").unlink(missing_ok=True)
        self._begin_again(hub)
        self.book.forget(hub)
