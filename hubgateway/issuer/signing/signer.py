"""Signs one document after the other: read, judged, signed, logged, and only then handed out.

Laws:
1. No signature leaves before its line is on the disk.
2. What is refused leaves nothing behind.
3. What is signed are the bytes that were read.
4. What is done about a hub has its line on the disk before it is done.
5. So has a hub's certificate that is made on the way: it is judged and logged as one that is asked
   for.
6. The card key leaves in digests alone. A digest opens nothing before a policy names it, which has
   its line: so it has none of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import SigningKey
from hubcore.errors import HardwareError, StoreError
from hubcore.issuing.cardasks import CardAsk, digest_of_card, judge_card
from hubcore.issuing.hubasks import HubAsk
from hubcore.issuing.hublines import read_any, write_decided
from hubcore.issuing.hubrules import Decided, HubStanding, judge_hub
from hubcore.issuing.limits import Limits
from hubcore.issuing.lines import write_line
from hubcore.issuing.messages import Ask
from hubcore.issuing.rules import judge, judge_made, newest_policy
from hubcore.issuing.standing import Signed, Standing, signed
from hubcore.issuing.wanted import Reader, WantedPolicy
from hubcore.issuing.words import Refusal, RefusedError
from hubcore.phone import certificates
from hubcore.phone.certificates import HubCertificate
from hubgateway.issuer.signing.lastpolicy import LastPolicy, digest_of
from hubgateway.issuer.signing.log import SigningLog

LOG = "signed.log"
DESK = "what enrols hubs"
"""Who asks for a certificate that is made on the way (law 5)."""


class Signer:
    """Use it from one thread at a time. `wall` is Unix time, `monotonic` CLOCK_MONOTONIC."""

    def __init__(
        self,
        key: SigningKey,
        trial: SigningKey,
        limits: Limits,
        folder: Path,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        card_key: bytes = b"",
    ) -> None:
        """Read log and last policy. Raise ConfigError, AuditError or StoreError.

        `trial` is a new key that nobody believes (`hubcore.issuing.wanted`). `card_key` is the
        site's, b"" where no card is allowed.
        """
        self._key = key
        # A token is asked for its public key once: it may be away later.
        self.issuer = cose.read_key(cbor.decode(cbor.encode(key.cose_key)))
        self.site = limits.site
        self._limits = limits
        self._reader = Reader(limits.site, self.issuer, trial)
        self._standing = Standing(limits.a_day, limits.revoking_a_day)
        self._hubs = HubStanding(limits.hubs)
        self._card_key = card_key
        self._wall = wall
        self._monotonic = monotonic
        self._log = SigningLog(folder / LOG)
        try:
            for body in self._log.read():
                self._take(read_any(body)[0])
            self._last = LastPolicy(folder, self.issuer, limits.site)
            self._last.find(self._standing.policy)
        except BaseException:
            self._log.close()
            raise

    @property
    def head(self) -> str:
        """The newest line of the log, as NUMBER:HASH."""
        return str(self._log.head)

    @property
    def policy_version(self) -> int:
        """The version of the last policy: the next one is above it."""
        return newest_policy(self._limits, self._standing)

    def sign(self, ask: Ask, asker: str) -> bytes:
        """Return the signed document; of a policy its root alone. Raise RefusedError."""
        wanted = self._reader.read(ask.kind, ask.claims, ask.along)
        now_ms = int(1000 * self._wall())
        judge(wanted, self._limits, self._standing, self._last.policy, now_ms)
        document = self._signed(ask)
        moment = self._standing.moment(now_ms)
        fact = signed(wanted, moment, digest_of(ask.claims), self._last.policy)
        line = write_line(fact, asker, int(1000 * self._monotonic()))
        try:
            if isinstance(wanted, WantedPolicy):
                self._last.keep(wanted.policy.version, document + ask.along)
            self._log.append(line)
        except StoreError as error:
            raise RefusedError(Refusal.DISK, f"the log cannot be written: {error}") from error
        self._standing.take(fact)
        if isinstance(wanted, WantedPolicy):
            self._last.logged(wanted.policy)
        return document

    def digest(self, ask: CardAsk) -> bytes:
        """Return the digest of a card or a key (law 6). Raise RefusedError."""
        judge_card(ask, self._limits)
        return digest_of_card(ask, self._card_key)

    def decide(self, ask: HubAsk, asker: str) -> None:
        """Judge what is asked about a hub, and log it: then it may be done. Raise RefusedError."""
        now_ms = int(1000 * self._wall())
        judge_hub(ask, self._limits.hubs, self._hubs, now_ms, self._standing.newest_ms)
        fact = Decided(
            act=ask.act,
            at_ms=self._standing.moment(now_ms),
            by=ask.by,
            hub=ask.hub,
            points=ask.points,
            fingerprint=ask.fingerprint,
            replaces=ask.replaces,
        )
        try:
            self._log.append(write_decided(fact, asker, int(1000 * self._monotonic())))
        except StoreError as error:
            raise RefusedError(Refusal.DISK, f"the log cannot be written: {error}") from error
        self._take(fact)

    def note(self, made: HubCertificate, document: bytes) -> None:
        """Judge a hub's certificate that was made, and log it: then it may leave (law 5).

        Raise RefusedError.
        """
        now_ms = int(1000 * self._wall())
        wanted = judge_made(made, self._limits, self._standing, now_ms)
        claims = cwt.prove(certificates.HUB, document, self.issuer, self.issuer.kid)
        fact = signed(wanted, self._standing.moment(now_ms), digest_of(claims), None)
        try:
            self._log.append(write_line(fact, DESK, int(1000 * self._monotonic())))
        except StoreError as error:
            raise RefusedError(Refusal.DISK, f"the log cannot be written: {error}") from error
        self._standing.take(fact)

    def _take(self, fact: Signed | Decided) -> None:
        """Take the next line of the log."""
        if isinstance(fact, Decided):
            self._hubs.take(fact)
            self._standing.newest_ms = max(self._standing.newest_ms, fact.at_ms)
        else:
            self._standing.take(fact)

    def close(self) -> None:
        """Give the log up."""
        self._log.close()

    def _signed(self, ask: Ask) -> bytes:
        """Return the document (law 3)."""
        try:
            return cwt.sign(ask.kind.typ, ask.claims, self._key, self.issuer.kid)
        except HardwareError as error:
            raise RefusedError(Refusal.KEY, str(error)) from error
