"""Asks `hubissuer serve` for signatures: for a site's server. It waits, and needs no event loop.

Laws:
1. What comes back is believed only if it is what was asked for, signed by the issuer that was
   pinned.
2. Each call has a connection of its own, and ends within `seconds`. A signer that has too many
   connections is asked again until then.
3. LinkError: the signer is away, ask again later; what was asked may have been signed.
   RefusedError: it says no, and why. TrustError: who answers is not the signer of this site.

Use it from as many threads as you like.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.cards import DIGEST_BYTES
from hubcore.access.grant import Grant
from hubcore.bridge.frames import Frames, frame
from hubcore.bridge.mandate import Mandate
from hubcore.codec import cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.codec.tls import TlsName, TlsRole
from hubcore.errors import (
    FrameError,
    HubError,
    LinkError,
    PeerError,
    SignatureError,
    TrustError,
)
from hubcore.issuing import messages, unsigned
from hubcore.issuing.cardasks import CardAsk
from hubcore.issuing.hubasks import HubAsk
from hubcore.issuing.messages import (
    Ask,
    Decide,
    Digest,
    Done,
    FromSigner,
    Hello,
    Made,
    No,
    Ready,
)
from hubcore.issuing.unsigned import Unsigned
from hubcore.issuing.words import ANSWER_BYTES, Refusal, RefusedError
from hubcore.phone.certificates import HubCertificate
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubtls.identity import Identity
from hubtls.peers import read_peer

SECONDS = 10.0
AGAIN_SECONDS = 0.02
READ_BYTES = 65_536
ASKED_AHEAD = 16
"""Of many: both sides have room for so many of the longest grants without reading."""
Connect = Callable[[float], socket.socket]
"""Returns a connection to the signer within so many seconds. Raises OSError or TrustError."""


def by_socket(path: Path) -> Connect:
    """Connect to a signer of this machine, by its unix socket."""

    def connect(seconds: float) -> socket.socket:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(seconds)
            made.connect(str(path))
        except OSError:
            made.close()
            raise
        return made

    return connect


def by_tls(host: str, port: int, signer: str, identity: Identity) -> Connect:
    """Connect to the signer of this name on another machine, as the server of `identity`."""
    wanted = TlsName(identity.name.site, TlsRole.ISSUER, signer)

    def connect(seconds: float) -> socket.socket:
        made = socket.create_connection((host, port), timeout=seconds)
        try:
            secured = identity.calling.wrap_socket(made, server_hostname=wanted.dns)
        except OSError:
            made.close()
            raise
        try:
            shown = secured.getpeercert(binary_form=True) or b""
            peer = read_peer(shown, identity.authority, wanted.site, TlsRole.ISSUER)
            if peer.name != wanted or peer.expires < time.time():
                raise TrustError(f"TLS: {peer.name.uri} is another signer, or has ended")
        except TrustError:
            secured.close()
            raise
        return secured

    return connect


@dataclass(frozen=True, slots=True)
class _Talk:
    """One connection, and the moment until which it may take."""

    connection: socket.socket
    until: float
    frames: Frames
    policy_version: int = 0

    def say(self, message: messages.FromServer) -> None:
        self.connection.settimeout(_left(self.until))
        self.connection.sendall(frame(messages.encode_from_server(message)))

    def hear(self) -> FromSigner:
        """Return the next message. Raise OSError, FrameError."""
        while (message := self.frames.next()) is None:
            self.connection.settimeout(_left(self.until))
            data = self.connection.recv(READ_BYTES)
            if not data:
                raise ConnectionResetError("it has closed the connection")
            self.frames.feed(data)
        return messages.decode_from_signer(message)


class SigningClient:
    """Asks the signer of one site for documents. `issuer` is the site's public key."""

    def __init__(
        self, connect: Connect, site: str, issuer: VerifyKey, seconds: float = SECONDS
    ) -> None:
        self._connect = connect
        self._site = site
        self._issuer = issuer
        self._seconds = seconds
        self._trial = SigningKey(ec.generate_private_key(ec.SECP256R1()))

    @property
    def issuer(self) -> VerifyKey:
        """The issuer's public key, as it was pinned."""
        return self._issuer

    def policy_version(self) -> int:
        """Return the version of the last policy that was signed; the next one is above it.

        Ask after an answer that was lost, too: it may have been signed all the same.
        """
        found: list[int] = []
        self._talk(time.monotonic() + self._seconds, lambda talk: found.append(talk.policy_version))
        return found[0]

    def policy(self, policy: Policy) -> Issued:
        """Return a policy, signed, with its pieces. Raise as the laws say, or ValueError."""
        wanted = unsigned.of_policy(policy, self._trial)
        return Issued(self._signed(wanted), wanted.pieces)

    def grant(self, grant: Grant, key: dict[int, Any]) -> bytes:
        """Return a grant; `key` is the COSE_Key of `grant.key`."""
        return self._signed(unsigned.of_grant(grant, key))

    def grants(self, wanted: Sequence[tuple[Grant, dict[int, Any]]]) -> list[bytes | HubError]:
        """Return grants as `grant`, asked for on one connection, a few ahead of the answers.

        Why one was not signed stands in its place.
        """
        found: list[bytes | HubError] = []
        asked = [unsigned.of_grant(grant, key) for grant, key in wanted]

        def talk_about_all(talk: _Talk) -> None:
            for place, one in enumerate(asked[:ASKED_AHEAD]):
                talk.say(_ask(one, place))
            for place, one in enumerate(asked):
                found.append(self._granted(talk, place, one))
                if place + ASKED_AHEAD < len(asked):
                    talk.say(_ask(asked[place + ASKED_AHEAD], place + ASKED_AHEAD))

        try:
            self._talk(time.monotonic() + self._seconds, talk_about_all)
        except HubError as error:
            found += [error] * (len(wanted) - len(found))
        return found

    def _granted(self, talk: _Talk, place: int, wanted: Unsigned) -> bytes | HubError:
        """Hear about one of many. Raise what ends the talk."""
        try:
            return self._proven(wanted, _heard(talk, place))
        except (RefusedError, SignatureError) as error:
            return error

    def revocations(
        self, site: str, version: int, issued_at: int, newest_first: Sequence[str | bytes]
    ) -> bytes:
        """Return a list of revocations, for phones (`hubcore.access.revocations.issue`)."""
        wanted = unsigned.of_revocations(site, version, issued_at, newest_first, self._trial)
        return self._signed(wanted)

    def certificate(self, certificate: HubCertificate, before: bytes) -> bytes:
        """Return a newer certificate of a hub; `before` is the document of the one in force."""
        return self._signed(unsigned.of_certificate(certificate, before, self._trial))

    def mandate(self, mandate: Mandate) -> bytes:
        """Return a newer mandate of the same limits."""
        return self._signed(unsigned.of_mandate(mandate, self._trial))

    def decide(self, ask: HubAsk) -> str:
        """Have something done about a hub; return the token that was made, or "".

        After LinkError it may have been done. To ask for the same again does no harm.
        """
        done: list[str] = []
        until = time.monotonic() + self._seconds
        self._talk(until, lambda talk: done.append(_done(talk, ask)))
        return done[0]

    def digest(self, ask: CardAsk) -> bytes:
        """Return the digest of a card or a phone's key (16 bytes), made by the site's card key."""
        made: list[bytes] = []
        until = time.monotonic() + self._seconds
        self._talk(until, lambda talk: made.append(_digest(talk, ask)))
        return made[0]

    def check(self) -> None:
        """Raise LinkError or TrustError unless the signer of this site and issuer is there."""
        self.policy_version()

    def _signed(self, wanted: Unsigned) -> bytes:
        """Have something signed (law 1)."""
        ask = _ask(wanted)
        until = time.monotonic() + self._seconds
        made: list[bytes] = []
        self._talk(until, lambda talk: made.append(_answer(talk, ask)))
        return self._proven(wanted, made[0])

    def _proven(self, wanted: Unsigned, document: bytes) -> bytes:
        """Return what the signer has made (law 1). Raise SignatureError."""
        try:
            claims = cwt.prove(wanted.kind.typ, document, self._issuer, self._issuer.kid)
        except PeerError as error:
            raise SignatureError(f"the signer's answer is not signed by the issuer: {error}") from (
                error
            )
        if claims != wanted.claims:
            raise SignatureError("the signer has signed something else than it was asked for")
        return document

    def _talk(self, until: float, say: Callable[[_Talk], None]) -> None:
        """Do something on a connection of its own (law 2)."""
        while True:
            try:
                with self._connect(_left(until)) as connection:
                    talk = _Talk(connection, until, Frames(ANSWER_BYTES))
                    ready = self._greet(talk)
                    return say(replace(talk, policy_version=ready.policy_version))
            except _BusyError:
                time.sleep(min(AGAIN_SECONDS, _left(until)))
            except ssl.SSLError as error:
                raise TrustError(f"the signer does not prove itself: {error}") from error
            except OSError as error:
                raise LinkError(f"the signer is away: {error}") from error
            except FrameError as error:
                raise TrustError(f"who answers is no signer: {error}") from error

    def _greet(self, talk: _Talk) -> Ready:
        with suppress(BrokenPipeError, ConnectionResetError):  # why stands in what it has said
            talk.say(Hello())
        match talk.hear():
            case Ready() as ready if (ready.site, ready.issuer.kid) == (
                self._site,
                self._issuer.kid,
            ):
                return ready
            case Ready(site=site):
                raise TrustError(f"the signer is that of site {site!r}, or has another key")
            case No(refusal=Refusal.PACE):
                raise _BusyError
            case No() as no:
                raise RefusedError(no.refusal, no.sentence)
        raise TrustError("the signer does not say whom it signs for")


def _ask(wanted: Unsigned, number: int = 1) -> Ask:
    try:
        return Ask(number, wanted.kind, wanted.claims, wanted.along)
    except FrameError as error:
        raise RefusedError(Refusal.UNREADABLE, f"{wanted.kind.word}: {error}") from error


class _BusyError(Exception):
    """It has too many connections."""


def _answer(talk: _Talk, ask: Ask) -> bytes:
    talk.say(ask)
    return _heard(talk, ask.number)


def _heard(talk: _Talk, number: int) -> bytes:
    match talk.hear():
        case Made(number=said, document=document) if said == number:
            return document
        case No() as no:
            raise RefusedError(no.refusal, no.sentence)
    raise TrustError("the signer answers what was not asked")


def _digest(talk: _Talk, ask: CardAsk) -> bytes:
    talk.say(Digest(1, ask))
    match talk.hear():
        case Made(number=1, document=digest) if len(digest) == DIGEST_BYTES:
            return digest
        case No() as no:
            raise RefusedError(no.refusal, no.sentence)
    raise TrustError("the signer answers what was not asked")


def _done(talk: _Talk, ask: HubAsk) -> str:
    talk.say(Decide(1, ask))
    match talk.hear():
        case Done(number=1, text=text):
            return text
        case No() as no:
            raise RefusedError(no.refusal, no.sentence)
    raise TrustError("the signer answers what was not asked")


def _left(until: float) -> float:
    """Return the seconds that are left. Raise LinkError when none are."""
    left = until - time.monotonic()
    if left <= 0:
        raise LinkError("the signer is away: it took too long")
    return left
