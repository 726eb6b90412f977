"""Makes this machine a hub: keys, question, answer, files; each step again after a power cut.

Laws:
1. Keys are made here, are durable before the backend hears of them, and never leave the machine.
2. Whatever ends it, the same command again goes on: with the keys that wait, then with the answer
   that lies here. At its end the hub has one identity, one CURVE key and one TLS key.
3. An answer is proven before anything is changed: its certificates are signed by the issuer and the
   authority that it names, for this hub's own keys, and hubd would take the configuration.
4. A hub that is enrolled stays as it is, unless it is told to enrol anew. Until the new answer is
   durable, its old keys stay in force.
5. The answer is removed last: as long as it is there, the command is not done.
6. Keys that wait, and an answer that lies here, belong to one token. With another token none of
   them is used: new keys are made, and the answer is refused by name unless it is to be given up
   (`anew`). So no two hubs at a backend have one key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from zmq.utils import z85

from hubcore.backend.enrolment import messages
from hubcore.backend.enrolment.messages import ANY_HOST, Enrolled
from hubcore.backend.enrolment.token import Token, digest_of
from hubcore.codec import cbor, cose
from hubcore.codec.tls import pem_of
from hubcore.errors import ConfigError, FrameError, PeerError
from hubcore.phone.certificates import HubCertificate, read_hub_certificate
from hubd.adapters.curve.uplink import CurveUplink
from hubd.adapters.keys.keyfiles import SERVER_KEYS_MAX
from hubd.adapters.keys.uplinkkeys import UplinkKeys
from hubd.enrolment.asking import Asking, ask_until_enrolled
from hubd.enrolment.durable import PUBLIC, Durable, Sealer, Step, no_step, read
from hubd.enrolment.greeting import fetch_greeting
from hubd.enrolment.ownkeys import MAKES, OwnKeys, read_own_keys
from hubd.enrolment.places import (
    ANSWER,
    IDENTITY,
    OWN_KEYS,
    KeyStore,
    Places,
)
from hubd.enrolment.proven import check
from hubd.enrolment.settings import DoorLines, put_config, text_of

_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What an installer asks for: a backend, by its enrolment port, and how the doors are wired."""

    host: str
    port: int
    token: Token = field(repr=False)
    lines: Mapping[int, DoorLines] = field(default_factory=dict)
    anew: bool = False

    @property
    def digest(self) -> bytes:
        """What is kept of the token."""
        return digest_of(self.token.secret)


@dataclass(frozen=True, slots=True)
class Result:
    """What this machine is now.

    `kept`: where an older configuration lies. `new`: whether this command enrolled it.
    """

    hub: str
    site: str
    access_points: tuple[int, ...]
    new: bool = True
    kept: Path | None = None


class Enrolment:
    """The steps, in their order. `sealer` None keeps keys plain."""

    def __init__(self, places: Places, sealer: Sealer | None, step: Step = no_step) -> None:
        self._places = places
        self._sealer = sealer
        self._files = Durable(step)
        self._keys = KeyStore(places, self._files, sealer)

    def standing(self, order: Order) -> Result | None:
        """Return what this machine is already, None when there is something to do.

        Raise ConfigError for a hub that must be told to enrol anew, and for an answer that belongs
        to another token.
        """
        if self._is_answered(order) or self._waits(order):
            return None
        done = read(self._places.enrolled)
        certificate = self._certificate_in_force()
        if certificate is None:
            return None
        by_this_token = done == order.digest
        if not by_this_token and order.anew:
            return None
        if not by_this_token:
            raise ConfigError(
                f"this machine is hub {certificate.hub} of site {certificate.site} already. To "
                "give it a new identity, add --anew; until the new one is there, the old one stays"
            )
        return _result(certificate, new=False)

    def own_keys(self, order: Order) -> OwnKeys:
        """Return the keys that wait for this token's answer, or make them: durable on return."""
        self._places.make_folders()
        is_answered = self._is_answered(order)
        if not is_answered:
            self._begin(order)
        get = self._keys.key if is_answered else self._keys.pending
        found: dict[str, bytes] = {}
        for name, make in MAKES.items():
            key = get(name)
            if key is None:
                key = make()
                self._keys.put_pending(name, key)
            found[name] = key
        return read_own_keys(found)

    def _begin(self, order: Order) -> None:
        """Let the keys that wait be those of this token; others of before are given up."""
        if self._keys.key(ANSWER) is not None:
            self._keys.remove(ANSWER)
        if read(self._places.begun) == order.digest:
            return
        for name in OWN_KEYS:
            self._keys.give_up(name)
        self._files.write(self._places.begun, order.digest, PUBLIC)

    async def answer(self, order: Order, keys: OwnKeys, asking: Asking) -> Enrolled:
        """Return the backend's answer: the one that lies here, or a new one, durable on return.

        Raise ConfigError, LinkError, ProofError.
        """
        kept = self._kept_answer()
        if kept is None:
            greeting = await fetch_greeting(order.host, order.port, order.token)
            pair = UplinkKeys(secret=keys.secret, public=keys.public, backend=greeting.key)
            uplink = CurveUplink(f"{_endpoint(order.host)}:{greeting.port}", pair)
            answer = await ask_until_enrolled(uplink, keys.ask(order.token), asking)
            kept = _reached(answer, order.host)
            check(kept, keys)
            text_of(kept, order.lines, self._places.config)
            self._keys.put_private(ANSWER, order.digest + messages.encode(kept))
        return kept

    def install(self, order: Order, keys: OwnKeys, enrolled: Enrolled) -> Result:
        """Put everything in its place; it may be done again at any time. Raise ConfigError."""
        certificate = check(enrolled, keys)
        text = text_of(enrolled, order.lines, self._places.config)
        self._keys.put_public("certificate", enrolled.certificate)
        self._keys.put_public("issuer", enrolled.issuer)
        pinned = b"\n".join(z85.encode(key) for key in enrolled.server_keys[:SERVER_KEYS_MAX])
        self._keys.put_public("backend_public", pinned)
        self._keys.put_public("tls_certificate", pem_of(enrolled.tls_certificate))
        self._keys.put_public("tls_authority", pem_of(enrolled.tls_authority))
        if enrolled.beacon:
            self._keys.put_private("beacon", enrolled.beacon)
        if enrolled.card_key:
            self._keys.put_private("card_key", enrolled.card_key)
        if self._sealer is not None:
            self._put_drop_in()
        for name in OWN_KEYS:
            self._keys.take_into_force(name)
        kept = put_config(self._places.config, text, enrolled, self._files)
        answer = self._keys.key(ANSWER)
        if answer is not None:
            self._files.write(self._places.enrolled, answer[:_DIGEST_BYTES], PUBLIC)
            self._files.remove(self._places.begun)
            self._keys.remove(ANSWER)
        return _result(certificate, kept=kept)

    def _waits(self, order: Order) -> bool:
        """Tell whether keys wait for the answer to this token."""
        if read(self._places.begun) != order.digest:
            return False
        return any(self._keys.pending(name) is not None for name in OWN_KEYS)

    def _is_answered(self, order: Order) -> bool:
        """Tell whether the answer to this token lies here.

        Raise ConfigError for the answer to another one, unless that is to be given up.
        """
        data = self._keys.key(ANSWER)
        if data is None or data[:_DIGEST_BYTES] == order.digest:
            return data is not None
        if order.anew:
            return False
        kept = self._kept_answer()
        what = "" if kept is None else f", as hub {kept.hub} of site {kept.site}"
        raise ConfigError(
            f"this machine was enrolled by another token{what}, and that is not finished. Type the "
            "command with that token, and it goes on. Or add --anew: that hub is then given up "
            "here, and its operator must end it"
        )

    def _certificate_in_force(self) -> HubCertificate | None:
        """Return the certificate of a hub that is whole, None for any other machine."""
        document = read(self._places.plain / "hubd.certificate")
        issuer = read(self._places.plain / "hubd.issuer")
        if document is None or issuer is None or self._keys.key(IDENTITY) is None:
            return None
        try:
            return read_hub_certificate(document, cose.read_key(cbor.decode(issuer)))
        except PeerError:
            return None

    def _kept_answer(self) -> Enrolled | None:
        """Return the answer that lies here from an earlier command. Raise ConfigError."""
        data = self._keys.key(ANSWER)
        if data is None:
            return None
        try:
            answer = messages.decode_from_backend(data[_DIGEST_BYTES:])
        except FrameError:
            answer = None
        if not isinstance(answer, Enrolled):
            path = self._keys.path(ANSWER)
            raise ConfigError(f"{path} is damaged: remove it, and type the command again")
        return answer

    def _put_drop_in(self) -> None:
        """Let the unit take sealed keys: with the drop-in, it takes no plain ones."""
        shipped = read(self._places.drop_in_shipped)
        if shipped is None:
            raise ConfigError(
                f"{self._places.drop_in_shipped} is missing: install hubd again, or use --plain"
            )
        self._places.drop_in.parent.mkdir(parents=True, exist_ok=True)
        self._files.write(self._places.drop_in, shipped, PUBLIC)


def _reached(enrolled: Enrolled, host: str) -> Enrolled:
    """Put the host that the installer typed where a backend says "this very host" (`*`)."""
    here = f"{_endpoint(host)}:"
    endpoints = [endpoint.replace(ANY_HOST, here, 1) for endpoint in enrolled.endpoints]
    return replace(enrolled, endpoints=tuple(endpoints))


def _result(certificate: HubCertificate, new: bool = True, kept: Path | None = None) -> Result:
    return Result(
        hub=certificate.hub,
        site=certificate.site,
        access_points=certificate.access_points,
        new=new,
        kept=kept,
    )


def _endpoint(host: str) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"tcp://{shown}"
