"""What an operator decides about bridges, gateways, and the keys that speak for a site.

Laws:
1. The newer mandate ends the one before: a mandate has one place, and no older one takes it.
2. A bridge is known by one TLS key. One that has ended keeps its row, so that people see it.
3. A bridge's next key is certified only when the key that it is known by has asked for it, and
   neither was ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from hubcore.bridge.ends import Whom
from hubcore.bridge.mandate import Mandate, Use, issue_mandate, prove_mandate
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsCertificate, TlsName, TlsRole, check_name, read_certificate
from hubcore.codec.tlsauthority import Authority, certify
from hubcore.errors import PeerError, ProofError, TrustError
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
from hubgateway.issuer.office.ends import EndsLists
from hubgateway.issuer.office.rows import Rows
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.rules import names
from hubgateway.rules.names import Standing


class BridgeOffice:
    """Signs for one site with its issuer's key and its authority's; `wall` is Unix time."""

    def __init__(
        self,
        table: Table,
        issuer: SigningKey,
        authority: Authority,
        site: str,
        wall: Callable[[], float],
    ) -> None:
        self._rows = Rows(table)
        self._ends = EndsLists(self._rows, issuer, site, wall)
        self._issuer = issuer
        self._authority = authority
        self._site = site

    async def mandate(self, mandate: Mandate) -> bytes:
        """Sign that a key may speak for the site; return the document. Raise NoError."""
        try:
            check_name("holder", mandate.holder)
        except TrustError as error:
            raise NoError(str(error)) from error
        place = mandate_place(mandate.use, mandate.holder)
        before, revision = await self._rows.at(names.MANDATES_BUCKET, place)
        if before is not None and self._version_of(before) >= mandate.version:
            raise NoError(
                f"{names.MANDATES_BUCKET} has a newer mandate for {place}: is the clock right?"
            )
        document = issue_mandate(mandate, self._issuer)
        await self._rows.swap(names.MANDATES_BUCKET, place, document, revision)
        return document

    async def bridge(self, bridge: str, key: bytes, validity: Validity) -> bytes:
        """Take a bridge in by its TLS key; return its certificate (DER). Raise NoError.

        Another key that it had is ended.
        """
        certificate = self._certify(TlsRole.BRIDGE, bridge, key, validity)
        _, revision = await self._rows.at(names.BRIDGES_BUCKET, bridge)
        own = frozenset({sha256(key).digest()})
        await self._ends.change(
            Whom.BRIDGES,
            back=frozenset({bridge}),
            keys=await self._keys_of(bridge) - own,
            keys_back=own,
        )
        row = write_bridge(BridgeEntry(Standing.ENROLLED, sha256(key).hexdigest()))
        await self._rows.swap(names.BRIDGES_BUCKET, bridge, row, revision)
        return certificate

    async def asking_bridges(self) -> list[str]:
        """Return the bridges that have asked for a certificate and have none for that key yet."""
        found = []
        for bridge in sorted(await self._rows.snapshot(names.BRIDGES_BUCKET)):
            try:
                asked = await self._asked_by(bridge)
            except NoError:
                continue
            value, _ = await self._rows.at(names.BRIDGE_RENEWALS_BUCKET, certificate_key(bridge))
            made = read_next(value, self._bridge_name(bridge), self._authority.document)
            if made is None or made.certificate.key != asked.wanted:
                found.append(bridge)
        return found

    async def renew_bridge(self, bridge: str, validity: Validity) -> TlsCertificate:
        """Sign the certificate that a bridge has asked for, for its next key. Raise NoError."""
        asked = await self._asked_by(bridge)
        document = self._certify(TlsRole.BRIDGE, bridge, asked.wanted, validity)
        place = certificate_key(bridge)
        _, revision = await self._rows.at(names.BRIDGE_RENEWALS_BUCKET, place)
        row = write_certificate(sha256(asked.now).digest(), document)
        await self._rows.swap(names.BRIDGE_RENEWALS_BUCKET, place, row, revision)
        return read_certificate(document, self._authority.document, self._bridge_name(bridge))

    async def end_bridge(self, bridge: str) -> None:
        """End a bridge: no hub and no gateway speaks with it any more. Raise NoError."""
        value, revision = await self._rows.at(names.BRIDGES_BUCKET, bridge)
        entry = read_bridge(value)
        if entry is None:
            raise NoError(f"no bridge {bridge} is enrolled")
        await self._ends.change(
            Whom.BRIDGES,
            ended=frozenset({bridge}),
            keys=await self._keys_of(bridge),
        )
        row = write_bridge(replace(entry, standing=Standing.REVOKED))
        await self._rows.swap(names.BRIDGES_BUCKET, bridge, row, revision)

    def gateway(self, gateway: str, key: bytes, validity: Validity) -> bytes:
        """Return the certificate (DER) by which bridges know a gateway. Raise NoError."""
        return self._certify(TlsRole.BACKEND, gateway, key, validity)

    async def _asked_by(self, bridge: str) -> OwnRequestRow:
        """Return what a bridge asks for by the key that it is known by. Raise NoError."""
        name = self._bridge_name(bridge)
        value, _ = await self._rows.at(names.BRIDGES_BUCKET, bridge)
        entry = read_bridge(value)
        if entry is None or entry.standing is not Standing.ENROLLED:
            raise NoError(f"no bridge {bridge} is enrolled")
        row, _ = await self._rows.at(names.BRIDGE_RENEWALS_BUCKET, request_key(bridge))
        try:
            asked = read_request(row, name)
        except ProofError as error:
            raise NoError(f"what bridge {bridge} has asked for proves nothing: {error}") from error
        if asked is None or sha256(asked.now).hexdigest() != entry.key:
            raise NoError(
                f"bridge {bridge} has not asked for a certificate by the key that it is known by: "
                "it asks by itself, once a third of the life of its certificate is left"
            )
        ended = await self._ends.keys()
        if {sha256(asked.now).digest(), sha256(asked.wanted).digest()} & ended:
            raise NoError(f"bridge {bridge} asks by or for a key that was ended")
        return asked

    async def _keys_of(self, bridge: str) -> frozenset[bytes]:
        """Return the digests of the key that a bridge has, and of the certified next one."""
        value, _ = await self._rows.at(names.BRIDGES_BUCKET, bridge)
        entry = read_bridge(value)
        row, _ = await self._rows.at(names.BRIDGE_RENEWALS_BUCKET, certificate_key(bridge))
        following = read_next(row, self._bridge_name(bridge), self._authority.document)
        now = [] if entry is None else [bytes.fromhex(entry.key)]
        then = [] if following is None else [sha256(following.certificate.key).digest()]
        return frozenset([*now, *then])

    def _bridge_name(self, bridge: str) -> TlsName:
        try:
            return TlsName(self._site, TlsRole.BRIDGE, bridge)
        except TrustError as error:
            raise NoError(str(error)) from error

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


def mandate_place(use: Use, holder: str) -> str:
    """Return the key of a mandate in its bucket: one for each place where one holds."""
    name = use.name.lower()
    return f"{name}.{holder}" if use is Use.TESTIMONY else name
