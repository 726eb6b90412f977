"""What an operator decides about hubs: who is promised, taken in, renewed and ended.

How it works: all that is known of hubs lies in the engine. Each step is written after the revision
that was read, and in an order that lets the same command be given again after a power cut.

Laws:
1. A hub is known by one key. When a new machine takes its place, the old key is revoked first, then
   the old machine's records are put aside, and only then the new key is known.
2. A machine hears that it is a hub only when gateways know its key.
3. An access point belongs to one hub.
4. A machine that takes another's place has its TLS certificate in the engine before the records are
   put aside. So what the old machine has signed is not taken as the new one's, whatever bridge
   still has it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Protocol

from hubcore.backend.enrolment.promise import Promise, Signed, promise_of, write_promise
from hubcore.backend.enrolment.token import Token, digest_of, trust_of, write_token
from hubcore.bridge.ends import Whom
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, VerifyKey, read_key
from hubcore.codec.tls import check_name
from hubcore.codec.tlsauthority import Authority
from hubcore.errors import PeerError, StoreError, TrustError
from hubcore.phone.certificates import HubCertificate
from hubgateway.engine.buckets import Table
from hubgateway.issuer.office.certificates import Heard, HubCertificates
from hubgateway.issuer.office.ends import EndsLists
from hubgateway.issuer.office.rows import Rows
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules import names, promises
from hubgateway.rules.keyindex import KeyIndex
from hubgateway.rules.names import Entry, Standing, read_entry, write_entry


class Archive(Protocol):
    """Where the records of replaced machines go (`hubgateway.engine.archive`)."""

    async def put_aside(self, hub: str, key: str) -> None:
        """Move all records of a hub, whose next machine has this key."""


class HubOffice:
    """`enrolment_key` is the public key of the gateways' enrolment port; `wall` is Unix time.

    `heard` hears of each certificate for phones (`hubgateway.issuer.office.certificates`, law 2).
    """

    def __init__(
        self,
        table: Table,
        archive: Archive,
        issuer: SigningKey,
        authority: Authority,
        site: str,
        enrolment_key: bytes,
        wall: Callable[[], float],
        heard: Heard | None = None,
    ) -> None:
        self._rows = Rows(table)
        self._ends = EndsLists(self._rows, issuer, site, wall)
        self._certificates = HubCertificates(issuer, authority, site, heard)
        self._archive = archive
        self._enrolment_key = enrolment_key

    # What is known.

    async def promises(self) -> dict[str, Promise | None]:
        """Return all promises by hub, None for one that cannot be read. Raise StoreError."""
        rows = await self._rows.snapshot(names.PROMISES_BUCKET)
        return {hub: promises.read(hub, value) for hub, value in sorted(rows.items())}

    async def hubs(self) -> dict[str, HubCertificate]:
        """Return the newest certificate of each hub. Raise NoError for one that is not ours."""
        rows = await self._rows.snapshot(names.CERTIFICATES_BUCKET)
        read = self._certificates.read
        return {hub: read(hub, document) for hub, document in sorted(rows.items())}

    async def certificate(self, hub: str) -> HubCertificate:
        """Return the newest certificate of a hub. Raise NoError."""
        document, _ = await self._rows.at(names.CERTIFICATES_BUCKET, hub)
        if document is None:
            raise NoError(f"hub {hub} has no certificate in {names.CERTIFICATES_BUCKET}")
        return self._certificates.read(hub, document)

    async def proven_points(self, hub: str, own: str = "") -> tuple[int, ...]:
        """Return the access points that a hub serves, none for one that is enrolled nowhere.

        `own` is a key of it that does not count. Raise NoError where nothing proves them: a
        certificate that is missing says nothing of what an enrolled hub opens. One that was ended
        opens nothing more.
        """
        document, _ = await self._rows.at(names.CERTIFICATES_BUCKET, hub)
        if document is not None:
            return self._certificates.read(hub, document).access_points
        if await self._keys_of(hub) - {own} and not await self._ends.has(Whom.HUBS, hub):
            raise NoError(
                f"hub {hub} is enrolled, but has no certificate in {names.CERTIFICATES_BUCKET}: "
                "nobody can prove which access points it serves. Decide it where the issuer's "
                "key is, by hubissuer"
            )
        return ()

    async def asked(self, hub: str) -> Promise:
        """Return the promise of a hub that somebody has asked with. Raise NoError."""
        promise, _ = await self._promise(hub)
        if promise is None or not promise.identity:
            raise NoError(f"no machine has asked with the token of hub {hub} yet")
        if promise.refused:
            raise NoError(f"hub {hub} was refused: make it a new token")
        return promise

    # What is decided.

    async def promise(
        self,
        hub: str,
        doors: Mapping[int, str],
        time_zone: str,
        *,
        replaces: bool,
        secret: bytes,
        now: float,
    ) -> str:
        """Promise a hub to whoever comes with this secret; return the token. Raise NoError."""
        try:
            check_name("hub", hub)
        except TrustError as error:
            raise NoError(str(error)) from error
        await self._must_be_free(hub, doors)
        if await self._keys_of(hub) and not replaces:
            raise NoError(
                f"hub {hub} is enrolled: choose another id, or replace its machine (--replace)"
            )
        made = promise_of(hub, digest_of(secret), now, doors, time_zone, replaces)
        _, revision = await self._promise(hub)
        await self._rows.swap(names.PROMISES_BUCKET, hub, write_promise(made), revision)
        return write_token(Token(trust_of(self._enrolment_key), secret))

    async def approve(self, promise: Promise, validity: Validity) -> None:
        """Take the machine in that asked with this promise. It may be done again. Raise NoError."""
        hub = promise.hub
        held, revision = await self._promise(hub)
        if held != promise:
            raise NoError(f"what was promised to hub {hub} has changed meanwhile: look again")
        await self._must_be_free(hub, promise.names_by_point)
        key = _key_of(promise)
        tls_key = bytes.fromhex(promise.tls_key)
        signed = Signed(
            certificate=self._certificates.sign(hub, key, promise.points, validity),
            tls_certificate=self._certificates.sign_tls(hub, tls_key, validity),
        )
        if not promise.certificate:
            await self._others(promise)  # before anything is written
        await self._let_back(hub, tls_key)
        await self._rows.put(names.TLS_BUCKET, hub, signed.tls_certificate)  # law 4
        if not promise.certificate:  # later on the hub may have changed its key by itself
            await self._take_in(promise)
        await self._rows.put(names.CERTIFICATES_BUCKET, hub, signed.certificate)
        approved = write_promise(promise.approved(signed))
        await self._rows.swap(names.PROMISES_BUCKET, hub, approved, revision)

    async def refuse(self, hub: str) -> None:
        """Give the machine nothing that asks with the token of a hub. Raise NoError."""
        promise, revision = await self._promise(hub)
        if promise is None:
            raise NoError(f"hub {hub} has no token")
        refused = write_promise(replace(promise, refused=True))
        await self._rows.swap(names.PROMISES_BUCKET, hub, refused, revision)

    async def renew(
        self, hub: str, more: Sequence[int], without: Sequence[int], validity: Validity
    ) -> HubCertificate:
        """Sign newer certificates for the same keys. Raise NoError."""
        served = await self.certificate(hub)
        not_served = set(without) - set(served.access_points)
        if not_served:
            raise NoError(f"hub {hub} does not serve access point {min(not_served)}")
        points = set(served.access_points) - set(without) | set(more)
        if not points:
            raise NoError(f"hub {hub} would serve no access point")
        await self._must_be_free(hub, more)
        document = self._certificates.sign(hub, served.key, sorted(points), validity)
        await self._rows.put(names.CERTIFICATES_BUCKET, hub, document)
        tls_key = await self._tls_key(hub)
        if tls_key is not None:
            renewed = self._certificates.sign_tls(hub, tls_key, validity)
            await self._rows.put(names.TLS_BUCKET, hub, renewed)
        return self._certificates.read(hub, document)

    async def end(self, hub: str) -> None:
        """End a hub for good: its keys are revoked, its token is of no use. Raise NoError."""
        keys = await self._keys_of(hub)
        promise, revision = await self._promise(hub)
        if not keys and promise is None:
            raise NoError(f"no hub {hub} is enrolled")
        tls_key = await self._tls_key(hub)
        digests: frozenset[bytes] = frozenset()
        if tls_key is not None:
            digests = frozenset({sha256(tls_key).digest()})
        await self._ends.change(Whom.HUBS, ended=frozenset({hub}), keys=digests)
        for key in keys:
            await self._revoke(hub, key)
        if promise is not None:
            await self._rows.swap(names.PROMISES_BUCKET, hub, None, revision)
        await self._rows.put(names.CERTIFICATES_BUCKET, hub, None)
        await self._rows.put(names.TLS_BUCKET, hub, None)
        await self._rows.put(names.UPDATES_BUCKET, hub, None)
        await self._rows.put(names.HEALTH_BUCKET, hub, None)

    async def _let_back(self, hub: str, tls_key: bytes) -> None:
        """Take a hub off the list of ends; the key of its machine before stays ended."""
        before = await self._tls_key(hub)
        old: frozenset[bytes] = frozenset()
        if before is not None and before != tls_key:
            old = frozenset({sha256(before).digest()})
        await self._ends.change(Whom.HUBS, back=frozenset({hub}), keys=old)

    # Steps.

    async def _take_in(self, promise: Promise) -> None:
        """Know a hub by the key that asked, and by no other."""
        hub = promise.hub
        for key in sorted(await self._others(promise)):
            await self._revoke(hub, key)
        if promise.curve in await self._keys_of(hub):
            return
        value, revision = await self._rows.at(names.KEYS_BUCKET, promise.curve)
        if value is not None:
            raise NoError(
                f"the key of this machine was in use before: {value.decode('ascii', 'replace')}"
            )
        await self._archive.put_aside(hub, promise.curve)
        _, stopped = await self._rows.at(names.STOPS_BUCKET, hub)
        if stopped:
            await self._rows.swap(names.STOPS_BUCKET, hub, None, stopped)
        row = write_entry(Entry(Standing.ENROLLED, hub))
        await self._rows.swap(names.KEYS_BUCKET, promise.curve, row, revision)

    async def _others(self, promise: Promise) -> frozenset[str]:
        """Return the other keys of a hub. Raise NoError where none may take their place."""
        others = await self._keys_of(promise.hub) - {promise.curve}
        if others and not promise.replaces:
            raise NoError(
                f"hub {promise.hub} is enrolled with another key: make a token with --replace"
            )
        return others

    async def _revoke(self, hub: str, key: str) -> None:
        value, revision = await self._rows.at(names.KEYS_BUCKET, key)
        if value is not None and read_entry(value) == Entry(Standing.ENROLLED, hub):
            row = write_entry(Entry(Standing.REVOKED, hub))
            await self._rows.swap(names.KEYS_BUCKET, key, row, revision)

    async def _tls_key(self, hub: str) -> bytes | None:
        """Return the TLS key of a hub, None for one without. Raise NoError."""
        document, _ = await self._rows.at(names.TLS_BUCKET, hub)
        return None if document is None else self._certificates.tls_key(hub, document)

    async def _promise(self, hub: str) -> tuple[Promise | None, int]:
        value, revision = await self._rows.at(names.PROMISES_BUCKET, hub)
        promise = promises.read(hub, value)
        if value is not None and promise is None:
            raise StoreError(f"what {names.PROMISES_BUCKET} has of hub {hub} cannot be read")
        return promise, revision

    async def _keys_of(self, hub: str) -> frozenset[str]:
        index = KeyIndex()
        for key, value in (await self._rows.snapshot(names.KEYS_BUCKET)).items():
            index.changed(key, value)
        return index.of(hub)

    async def _must_be_free(self, hub: str, points: Mapping[int, str] | Sequence[int]) -> None:
        """Raise NoError. What is no certificate of ours says nothing: it opens no door."""
        rows = await self._rows.snapshot(names.CERTIFICATES_BUCKET)
        for other, document in sorted(rows.items()):
            try:
                shared = set(points) & set(self._certificates.read(other, document).access_points)
            except NoError:
                continue
            if other != hub and shared:
                point = min(shared)
                raise NoError(
                    f"access point {point} is {other}'s: choose another number, or first take it "
                    f"away there: hubissuer renew {other} --without {point}"
                )


def _key_of(promise: Promise) -> VerifyKey:
    """Return the identity of the machine that asked. Raise NoError."""
    try:
        return read_key(cbor.decode(bytes.fromhex(promise.identity)))
    except PeerError as error:
        raise NoError(f"the identity that hub {promise.hub} asked with cannot be read") from error
