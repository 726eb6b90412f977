"""What an operator decides about hubs, signed with the issuer's key and put into the engine.

How it works: all that is known of hubs lies in the engine. Each step is written after the revision
that was read, and in an order that lets the same command be given again after a power cut.

Laws:
1. The issuer's key signs here and is nowhere else. Gateways and engine never have it.
2. A hub is known by one key. When a new machine takes its place, the old key is revoked first, then
   the old machine's records are put aside, and only then the new key is known.
3. A machine hears that it is a hub only when gateways know its key.
4. An access point belongs to one hub.
5. Whom a command ends is on the list of ends before its key is taken away, so that no bridge speaks
   with it, and no hub with a bridge. Who is taken in again is on it no more; the key of a replaced
   machine stays there.
6. A machine that takes another's place has its TLS certificate in the engine before the records are
   put aside. So what the old machine has signed is not taken as the new one's, whatever bridge
   still has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Protocol

from hubcore.backend.enrolment.promise import Promise, Signed, promise_of, write_promise
from hubcore.backend.enrolment.token import Token, digest_of, trust_of, write_token
from hubcore.bridge.ends import Ends, Whom, issue_ends, prove_ends
from hubcore.bridge.mandate import Mandate, Use, issue_mandate, prove_mandate
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, VerifyKey, read_key, write_key
from hubcore.codec.tls import TlsCertificate, TlsName, TlsRole, check_name, read_certificate
from hubcore.codec.tlsauthority import Authority, certify
from hubcore.errors import PeerError, ProofError, StoreError, TrustError
from hubcore.phone.certificates import (
    HubCertificate,
    issue_hub_certificate,
    read_hub_certificate,
)
from hubgateway.bridges.directory import (
    BridgeEntry,
    OwnRequestRow,
    certificate_key,
    read_bridge,
    read_next,
    read_request,
    request_key,
    write_bridge,
    write_certificate,
)
from hubgateway.engine.buckets import Table
from hubgateway.engine.trouble import MovedOnError
from hubgateway.rules import names, promises
from hubgateway.rules.keyindex import KeyIndex
from hubgateway.rules.names import Entry, Standing, read_entry, write_entry


class NoError(Exception):
    """What an operator asked for cannot be done; it says why and what to do."""


@dataclass(frozen=True, slots=True)
class Validity:
    """A span of Unix seconds."""

    not_before: int
    expires: int


class Archive(Protocol):
    """Where the records of replaced machines go (`hubgateway.engine.archive`)."""

    async def put_aside(self, hub: str, key: str) -> None:
        """Move all records of a hub, whose next machine has this key."""


class Office:
    """`enrolment_key` is the public key of the gateways' enrolment port; `wall` is Unix time."""

    def __init__(
        self,
        table: Table,
        archive: Archive,
        issuer: SigningKey,
        authority: Authority,
        site: str,
        enrolment_key: bytes,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        self._table = table
        self._archive = archive
        self._issuer = issuer
        self._authority = authority
        self._site = site
        self._enrolment_key = enrolment_key

    # What is known.

    async def promises(self) -> dict[str, Promise | None]:
        """Return all promises by hub, None for one that cannot be read. Raise StoreError."""
        rows = await self._table.snapshot(names.PROMISES_BUCKET)
        return {hub: promises.read(hub, value) for hub, value in sorted(rows.items())}

    async def hubs(self) -> dict[str, HubCertificate]:
        """Return the newest certificate of each hub. Raise NoError for one that is not ours."""
        rows = await self._table.snapshot(names.CERTIFICATES_BUCKET)
        return {hub: self._read(hub, document) for hub, document in sorted(rows.items())}

    async def certificate(self, hub: str) -> HubCertificate:
        """Return the newest certificate of a hub. Raise NoError."""
        document, _ = await self._table.at(names.CERTIFICATES_BUCKET, hub)
        if document is None:
            raise NoError(f"hub {hub} has no certificate in {names.CERTIFICATES_BUCKET}")
        return self._read(hub, document)

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
        await self._swap(names.PROMISES_BUCKET, hub, write_promise(made), revision)
        return write_token(Token(trust_of(self._enrolment_key), secret))

    async def approve(self, promise: Promise, validity: Validity) -> None:
        """Take the machine in that asked with this promise. It may be done again. Raise NoError."""
        hub = promise.hub
        held, revision = await self._promise(hub)
        if held != promise:
            raise NoError(f"what was promised to hub {hub} has changed meanwhile: look again")
        await self._must_be_free(hub, promise.names_by_point)
        key = _key_of(promise)
        signed = Signed(
            certificate=self._sign(hub, key, promise.points, validity),
            tls_certificate=self._sign_tls(hub, bytes.fromhex(promise.tls_key), validity),
        )
        if not promise.certificate:
            await self._others(promise)  # before anything is written
        await self._let_back(hub, bytes.fromhex(promise.tls_key))
        await self._put(names.TLS_BUCKET, hub, signed.tls_certificate)  # law 6
        if not promise.certificate:  # later on the hub may have changed its key by itself
            await self._take_in(promise)
        await self._put(names.CERTIFICATES_BUCKET, hub, signed.certificate)
        approved = write_promise(promise.approved(signed))
        await self._swap(names.PROMISES_BUCKET, hub, approved, revision)

    async def refuse(self, hub: str) -> None:
        """Give the machine nothing that asks with the token of a hub. Raise NoError."""
        promise, revision = await self._promise(hub)
        if promise is None:
            raise NoError(f"hub {hub} has no token")
        refused = write_promise(replace(promise, refused=True))
        await self._swap(names.PROMISES_BUCKET, hub, refused, revision)

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
        document = self._sign(hub, served.key, sorted(points), validity)
        await self._put(names.CERTIFICATES_BUCKET, hub, document)
        tls_key = await self._tls_key(hub)
        if tls_key is not None:
            await self._put(names.TLS_BUCKET, hub, self._sign_tls(hub, tls_key, validity))
        return self._read(hub, document)

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
        await self._change_ends(Whom.HUBS, ended=frozenset({hub}), keys=digests)
        for key in keys:
            await self._revoke(hub, key)
        if promise is not None:
            await self._swap(names.PROMISES_BUCKET, hub, None, revision)
        await self._put(names.CERTIFICATES_BUCKET, hub, None)
        await self._put(names.TLS_BUCKET, hub, None)
        await self._put(names.UPDATES_BUCKET, hub, None)

    # Bridges, gateways, and keys that speak for the site.

    async def mandate(self, mandate: Mandate) -> bytes:
        """Sign that a key may speak for the site; return the document. Raise NoError."""
        try:
            check_name("holder", mandate.holder)
        except TrustError as error:
            raise NoError(str(error)) from error
        place = mandate_place(mandate.use, mandate.holder)
        before, revision = await self._table.at(names.MANDATES_BUCKET, place)
        if before is not None and self._version_of(before) >= mandate.version:
            raise NoError(
                f"{names.MANDATES_BUCKET} has a newer mandate for {place}: is the clock right?"
            )
        document = issue_mandate(mandate, self._issuer)
        await self._swap(names.MANDATES_BUCKET, place, document, revision)
        return document

    async def bridge(self, bridge: str, key: bytes, validity: Validity) -> bytes:
        """Take a bridge in by its TLS key; return its certificate (DER). Raise NoError.

        Another key that it had is ended.
        """
        certificate = self._certify(TlsRole.BRIDGE, bridge, key, validity)
        _, revision = await self._table.at(names.BRIDGES_BUCKET, bridge)
        own = frozenset({sha256(key).digest()})
        await self._change_ends(
            Whom.BRIDGES,
            back=frozenset({bridge}),
            keys=await self._bridge_keys(bridge) - own,
            keys_back=own,
        )
        row = write_bridge(BridgeEntry(Standing.ENROLLED, sha256(key).hexdigest()))
        await self._swap(names.BRIDGES_BUCKET, bridge, row, revision)
        return certificate

    async def asking_bridges(self) -> list[str]:
        """Return the bridges that have asked for a certificate and have none for that key yet."""
        found = []
        for bridge in sorted(await self._table.snapshot(names.BRIDGES_BUCKET)):
            try:
                asked = await self._asked_by(bridge)
            except NoError:
                continue
            value, _ = await self._table.at(names.BRIDGE_RENEWALS_BUCKET, certificate_key(bridge))
            made = read_next(value, self._bridge_name(bridge), self._authority.document)
            if made is None or made.certificate.key != asked.wanted:
                found.append(bridge)
        return found

    async def renew_bridge(self, bridge: str, validity: Validity) -> TlsCertificate:
        """Sign the certificate that a bridge has asked for, for its next key. Raise NoError."""
        asked = await self._asked_by(bridge)
        document = self._certify(TlsRole.BRIDGE, bridge, asked.wanted, validity)
        place = certificate_key(bridge)
        _, revision = await self._table.at(names.BRIDGE_RENEWALS_BUCKET, place)
        row = write_certificate(sha256(asked.now).digest(), document)
        await self._swap(names.BRIDGE_RENEWALS_BUCKET, place, row, revision)
        return read_certificate(document, self._authority.document, self._bridge_name(bridge))

    async def _asked_by(self, bridge: str) -> OwnRequestRow:
        """Return what a bridge asks for by the key that it is known by. Raise NoError."""
        name = self._bridge_name(bridge)
        value, _ = await self._table.at(names.BRIDGES_BUCKET, bridge)
        entry = read_bridge(value)
        if entry is None or entry.standing is not Standing.ENROLLED:
            raise NoError(f"no bridge {bridge} is enrolled")
        row, _ = await self._table.at(names.BRIDGE_RENEWALS_BUCKET, request_key(bridge))
        try:
            asked = read_request(row, name)
        except ProofError as error:
            raise NoError(f"what bridge {bridge} has asked for proves nothing: {error}") from error
        if asked is None or sha256(asked.now).hexdigest() != entry.key:
            raise NoError(
                f"bridge {bridge} has not asked for a certificate by the key that it is known by: "
                "it asks by itself, once a third of the life of its certificate is left"
            )
        ended = await self._ended_keys()
        if {sha256(asked.now).digest(), sha256(asked.wanted).digest()} & ended:
            raise NoError(f"bridge {bridge} asks by or for a key that was ended")
        return asked

    async def _ended_keys(self) -> frozenset[bytes]:
        lists = [await self._ends(whom) for whom in Whom]
        return frozenset().union(*(ends.keys for ends, _ in lists))

    async def _bridge_keys(self, bridge: str) -> frozenset[bytes]:
        """Return the digests of the key that a bridge has, and of the certified next one."""
        value, _ = await self._table.at(names.BRIDGES_BUCKET, bridge)
        entry = read_bridge(value)
        row, _ = await self._table.at(names.BRIDGE_RENEWALS_BUCKET, certificate_key(bridge))
        following = read_next(row, self._bridge_name(bridge), self._authority.document)
        now = [] if entry is None else [bytes.fromhex(entry.key)]
        then = [] if following is None else [sha256(following.certificate.key).digest()]
        return frozenset([*now, *then])

    def _bridge_name(self, bridge: str) -> TlsName:
        try:
            return TlsName(self._site, TlsRole.BRIDGE, bridge)
        except TrustError as error:
            raise NoError(str(error)) from error

    async def end_bridge(self, bridge: str) -> None:
        """End a bridge: no hub and no gateway speaks with it any more. Raise NoError."""
        value, revision = await self._table.at(names.BRIDGES_BUCKET, bridge)
        entry = read_bridge(value)
        if entry is None:
            raise NoError(f"no bridge {bridge} is enrolled")
        await self._change_ends(
            Whom.BRIDGES,
            ended=frozenset({bridge}),
            keys=await self._bridge_keys(bridge),
        )
        row = write_bridge(replace(entry, standing=Standing.REVOKED))
        await self._swap(names.BRIDGES_BUCKET, bridge, row, revision)

    def gateway(self, gateway: str, key: bytes, validity: Validity) -> bytes:
        """Return the certificate (DER) by which bridges know a gateway. Raise NoError."""
        return self._certify(TlsRole.BACKEND, gateway, key, validity)

    def _certify(self, role: TlsRole, name: str, key: bytes, validity: Validity) -> bytes:
        try:
            who = TlsName(self._site, role, name)
            return certify(self._authority, who, key, validity.not_before, validity.expires)
        except TrustError as error:
            raise NoError(str(error)) from error

    def _version_of(self, document: bytes) -> int:
        """Return the version of a mandate, 0 for what is none of this issuer."""
        try:
            return prove_mandate(document, self._site, self._issuer.verify_key).version
        except PeerError:
            return 0

    async def _let_back(self, hub: str, tls_key: bytes) -> None:
        """Take a hub off the list of ends; the key of its machine before stays ended (law 5)."""
        before = await self._tls_key(hub)
        old: frozenset[bytes] = frozenset()
        if before is not None and before != tls_key:
            old = frozenset({sha256(before).digest()})
        await self._change_ends(Whom.HUBS, back=frozenset({hub}), keys=old)

    async def _change_ends(
        self,
        whom: Whom,
        *,
        ended: frozenset[str] = frozenset(),
        back: frozenset[str] = frozenset(),
        keys: frozenset[bytes] = frozenset(),
        keys_back: frozenset[bytes] = frozenset(),
    ) -> None:
        """Sign the next list of ends, if something changes. Raise NoError."""
        ends, revision = await self._ends(whom)
        try:
            changed = ends.changed(int(1000 * self._wall()), ended, back, keys, keys_back)
        except TrustError as error:
            raise NoError(f"{names.ENDS_BUCKET}: {whom.word}: {error}") from error
        if changed is not ends:
            document = issue_ends(changed, self._site, self._issuer)
            await self._swap(names.ENDS_BUCKET, whom.word, document, revision)

    async def _ends(self, whom: Whom) -> tuple[Ends, int]:
        """Return the newest list, and its revision. Raise NoError for one of somebody else."""
        value, revision = await self._table.at(names.ENDS_BUCKET, whom.word)
        if value is None:
            return Ends(whom=whom), revision
        try:
            ends = prove_ends(value, self._site, self._issuer.verify_key)
            if ends.whom is not whom:
                raise TrustError("it is a list of others")
        except (PeerError, TrustError) as error:
            raise NoError(
                f"{names.ENDS_BUCKET}: {whom.word}: {error}. Put back the last list that this "
                "issuer has signed"
            ) from error
        return ends, revision

    # Steps.

    async def _take_in(self, promise: Promise) -> None:
        """Know a hub by the key that asked, and by no other."""
        hub = promise.hub
        for key in sorted(await self._others(promise)):
            await self._revoke(hub, key)
        if promise.curve in await self._keys_of(hub):
            return
        value, revision = await self._table.at(names.KEYS_BUCKET, promise.curve)
        if value is not None:
            raise NoError(
                f"the key of this machine was in use before: {value.decode('ascii', 'replace')}"
            )
        await self._archive.put_aside(hub, promise.curve)
        _, stopped = await self._table.at(names.STOPS_BUCKET, hub)
        if stopped:
            await self._swap(names.STOPS_BUCKET, hub, None, stopped)
        row = write_entry(Entry(Standing.ENROLLED, hub))
        await self._swap(names.KEYS_BUCKET, promise.curve, row, revision)

    async def _others(self, promise: Promise) -> frozenset[str]:
        """Return the other keys of a hub. Raise NoError where none may take their place."""
        others = await self._keys_of(promise.hub) - {promise.curve}
        if others and not promise.replaces:
            raise NoError(
                f"hub {promise.hub} is enrolled with another key: make a token with --replace"
            )
        return others

    async def _revoke(self, hub: str, key: str) -> None:
        value, revision = await self._table.at(names.KEYS_BUCKET, key)
        if value is not None and read_entry(value) == Entry(Standing.ENROLLED, hub):
            row = write_entry(Entry(Standing.REVOKED, hub))
            await self._swap(names.KEYS_BUCKET, key, row, revision)

    async def _put(self, bucket: str, hub: str, document: bytes | None) -> None:
        _, revision = await self._table.at(bucket, hub)
        if document is not None or revision:
            await self._swap(bucket, hub, document, revision)

    async def _tls_key(self, hub: str) -> bytes | None:
        """Return the TLS key of a hub, None for one without. Raise NoError."""
        document, _ = await self._table.at(names.TLS_BUCKET, hub)
        if document is None:
            return None
        try:
            name = TlsName(self._site, TlsRole.HUB, hub)
            return read_certificate(document, self._authority.document, name).key
        except TrustError as error:
            raise NoError(
                f"what {names.TLS_BUCKET} has of hub {hub} is not of this authority: {error}"
            ) from error

    async def _swap(self, bucket: str, key: str, value: bytes | None, revision: int) -> None:
        try:
            await self._table.swap(bucket, key, value, revision)
        except MovedOnError as error:
            raise NoError(f"somebody else decides about {key}, too: look again") from error

    async def _promise(self, hub: str) -> tuple[Promise | None, int]:
        value, revision = await self._table.at(names.PROMISES_BUCKET, hub)
        promise = promises.read(hub, value)
        if value is not None and promise is None:
            raise StoreError(f"what {names.PROMISES_BUCKET} has of hub {hub} cannot be read")
        return promise, revision

    async def _keys_of(self, hub: str) -> frozenset[str]:
        index = KeyIndex()
        for key, value in (await self._table.snapshot(names.KEYS_BUCKET)).items():
            index.changed(key, value)
        return index.of(hub)

    async def _must_be_free(self, hub: str, points: Mapping[int, str] | Sequence[int]) -> None:
        for other, certificate in (await self.hubs()).items():
            shared = set(points) & set(certificate.access_points)
            if other != hub and shared:
                point = min(shared)
                raise NoError(
                    f"access point {point} is {other}'s: choose another number, or first take it "
                    f"away there: hubissuer renew {other} --without {point}"
                )

    def _read(self, hub: str, document: bytes) -> HubCertificate:
        try:
            certificate = read_hub_certificate(document, self._issuer.verify_key)
        except PeerError as error:
            raise NoError(
                f"the certificate of hub {hub} in {names.CERTIFICATES_BUCKET} is not this "
                f"issuer's: {error}"
            ) from error
        if (certificate.site, certificate.hub) != (self._site, hub):
            raise NoError(f"the certificate of hub {hub} is of another site or hub")
        return certificate

    def _sign(self, hub: str, key: VerifyKey, points: Sequence[int], validity: Validity) -> bytes:
        certificate = HubCertificate(
            site=self._site,
            hub=hub,
            not_before=validity.not_before,
            expires=validity.expires,
            key=key,
            access_points=tuple(points),
        )
        return issue_hub_certificate(self._issuer, certificate, write_key(key.public))

    def _sign_tls(self, hub: str, key: bytes, validity: Validity) -> bytes:
        name = TlsName(self._site, TlsRole.HUB, hub)
        return certify(self._authority, name, key, validity.not_before, validity.expires)


def mandate_place(use: Use, holder: str) -> str:
    """Return the key of a mandate in its bucket: one for each place where one holds."""
    name = use.name.lower()
    return f"{name}.{holder}" if use is Use.TESTIMONY else name


def _key_of(promise: Promise) -> VerifyKey:
    """Return the identity of the machine that asked. Raise NoError."""
    try:
        return read_key(cbor.decode(bytes.fromhex(promise.identity)))
    except PeerError as error:
        raise NoError(f"the identity that hub {promise.hub} asked with cannot be read") from error
