"""What the backend answers a machine that wants to be a hub, and what its operator decides.

Laws:
1. The issuer's key is not here. An operator's command signs; what is signed is proven before it is
   believed.
2. At most ASKS of questions are looked at: 200 at once, then 50 a second, from all machines
   together. In the 24 h of a token somebody can try 2^22 secrets of 2^80.
3. A hub is known by one key. When a new machine takes its place, the old key is revoked before the
   new one is known.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zmq.utils import z85

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import (
    Ask,
    Enrolled,
    EnrolledDoor,
    FromBackend,
    Refused,
    RefusedCause,
    Waiting,
    read_keys,
)
from hubcore.backend.enrolment.token import SECRET_BYTES, Token, digest_of, trust_of, write_token
from hubcore.codec import cbor
from hubcore.codec.cose import VerifyKey, read_key
from hubcore.codec.tls import TlsName, TlsRole, read_certificate
from hubcore.errors import FrameError, PeerError, TrustError
from hubcore.phone.certificates import read_hub_certificate
from hubcore.timing.pace import Bucket, Rate
from hubsim.backend.admission.zap import Gate
from hubsim.backend.speakers import shout
from hubsim.durable import write_durably
from hubsim.enrolment.book import Book, Entry, Write, new_entry

ASKS = Rate(burst=200, per_second=50)
KEY_SUFFIX = ".curve.pub"


@dataclass(frozen=True, slots=True)
class OfSite:
    """What every hub of the site is told. `endpoints` are in order, `tls_authority` is DER."""

    site: str
    issuer: bytes
    tls_authority: bytes
    endpoints: tuple[str, ...]
    server_keys: tuple[bytes, ...]
    beacon: bytes = b""
    card_key: bytes = b""


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
        try:
            ask = messages.decode_from_hub(data)
        except FrameError:
            return None
        if ask.version != messages.VERSION:
            return Refused(RefusedCause.VERSION, "")
        entry = self.book.entry_of(digest_of(ask.secret), self._clock())
        if entry is None:
            return Refused(RefusedCause.UNKNOWN, "")
        return self._answer_of(entry, ask, curve)

    def _answer_of(self, entry: Entry, ask: Ask, curve: str) -> FromBackend:
        if entry.refused:
            return Refused(RefusedCause.REFUSED, "")
        try:
            keys = read_keys(ask, z85.decode(curve))
        except PeerError:
            return Refused(RefusedCause.PROOF, "")
        if not entry.identity:
            try:
                entry = self.book.bind(entry, ask.identity, curve, keys.tls_key)
            except OSError as error:
                shout(f"hub {entry.hub} asks with its token, which cannot be written: {error}")
                return Refused(RefusedCause.BUSY, "the backend cannot write to its disk")
        asked = (ask.identity.hex(), curve, keys.tls_key.hex())
        if asked != (entry.identity, entry.curve, entry.tls_key):
            return Refused(RefusedCause.USED, "")
        if not entry.certificate:
            return Waiting(self.of_site.site, entry.hub)
        return self._enrolled(entry)

    def _enrolled(self, entry: Entry) -> Enrolled:
        of_site = self.of_site
        return Enrolled(
            site=of_site.site,
            hub=entry.hub,
            time_zone=entry.time_zone,
            certificate=bytes.fromhex(entry.certificate),
            issuer=of_site.issuer,
            tls_certificate=bytes.fromhex(entry.tls_certificate),
            tls_authority=of_site.tls_authority,
            endpoints=of_site.endpoints,
            server_keys=of_site.server_keys,
            beacon=of_site.beacon,
            card_key=of_site.card_key,
            doors=tuple(EnrolledDoor(point, entry.names[str(point)]) for point in entry.points),
        )

    # What operators decide.

    def promise(self, hub: str, names: Mapping[int, str], time_zone: str, replaces: bool) -> str:
        """Return a new token for a hub. Raise ValueError for one that is there already."""
        if hub in self._gate.hubs.values() and not replaces:
            raise ValueError(
                f"hub {hub} is enrolled: choose another id, or replace its machine (--replace)"
            )
        secret = secrets.token_bytes(SECRET_BYTES)
        entry = new_entry(hub, digest_of(secret), self._clock(), names, time_zone, replaces)
        self.book.promise(entry)
        return write_token(Token(self._trust, secret))

    def approve(self, hub: str, certificate: bytes, tls_certificate: bytes) -> None:
        """Take a hub in with its certificates. Raise ValueError. It may be done again."""
        entry = self.book.entries.get(hub)
        if entry is None or not entry.identity:
            raise ValueError(f"no machine has asked with the token of hub {hub} yet")
        if entry.refused:
            raise ValueError(f"hub {hub} was refused: make it a new token")
        try:
            proven = read_hub_certificate(certificate, self._issuer())
        except PeerError as error:
            raise ValueError(f"this is no certificate of the site's issuer: {error}") from error
        asked = read_key(cbor.decode(bytes.fromhex(entry.identity)))
        if proven.key.kid != asked.kid or (proven.site, proven.hub) != (self.of_site.site, hub):
            raise ValueError(f"this certificate is not for the keys that hub {hub} asked with")
        if not set(entry.points) <= set(proven.access_points):
            raise ValueError(f"this certificate has not all access points of hub {hub}")
        self._check_tls(entry, tls_certificate)
        if not entry.certificate:  # later on the hub may have changed its key by itself
            self._take_in(hub, entry.curve)
        self.book.approve(hub, certificate, tls_certificate)

    def _check_tls(self, entry: Entry, document: bytes) -> None:
        name = TlsName(self.of_site.site, TlsRole.HUB, entry.hub)
        try:
            proven = read_certificate(document, self.of_site.tls_authority, name)
        except TrustError as error:
            raise ValueError(f"hub {entry.hub}: {error}") from error
        if proven.key.hex() != entry.tls_key:
            raise ValueError(f"this TLS certificate is not for the key that {entry.hub} asked with")

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
        """End a hub for good: its key is revoked, its token of no use. Raise ValueError."""
        old = self._gate.keys_of(hub)
        if not old and hub not in self.book.entries:
            raise ValueError(f"no hub {hub} is enrolled")
        for key in old:
            self._revoke(key)
        (self._keys / f"{hub}{KEY_SUFFIX}").unlink(missing_ok=True)
        self.book.forget(hub)

    def _issuer(self) -> VerifyKey:
        return read_key(cbor.decode(self.of_site.issuer))
