"""Puts a site into the engine that its gateways keep all in: what an operator does by `hubissuer`.

Law: it may be done again at any time. What is newer in the site's folder is put there, nothing of
the engine is taken away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from zmq.utils import z85

from hubcore.bridge.mandate import Mandate, Use, prove_mandate
from hubcore.codec.cose import VerifyKey
from hubcore.errors import ProofError
from hubcore.policy import document as policies
from hubcore.policy.tree import PIECE_BYTES
from hubgateway.bridges.directory import BridgeEntry, write_bridge
from hubgateway.engine.engine import Engine
from hubgateway.issuer.office.bridges import mandate_place
from hubgateway.rules import names
from hubgateway.rules.names import Entry, Standing, write_entry
from hubsim.bridge.files import TLS_KEY
from hubsim.site.authority import public_of
from hubsim.site.certificates import Certificates
from hubsim.site.documents import read_ec_key
from hubsim.site.folder import Site

Row = tuple[str, str, bytes]
"""A bucket, a key, a value."""


async def fill_engine(site: Site, servers: Sequence[str]) -> int:
    """Put the site into the engine; return how many rows. Raise LinkError, StoreError."""
    engine = Engine(servers, "", 1)
    await engine.connect(retries=1)
    try:
        count = 0
        for bucket, key, value in rows_of(site):
            await engine.buckets.put(bucket, key, value)
            count += 1
        return count
    finally:
        await engine.close()


def rows_of(site: Site) -> Iterator[Row]:
    """Yield what the engine of a site holds."""
    for file in sorted((site.backend / "hubs").glob("*.curve.pub")):
        hub = file.name.removesuffix(".curve.pub")
        for key in file.read_text("ascii").split():
            row = write_entry(Entry(Standing.ENROLLED, hub))
            yield names.KEYS_BUCKET, z85.decode(key.encode()).hex(), row
    for folder in sorted(site.path.glob("bridges/*/")):
        digest = hashlib.sha256(public_of(read_ec_key(folder / TLS_KEY))).hexdigest()
        row = write_bridge(BridgeEntry(Standing.ENROLLED, digest))
        yield names.BRIDGES_BUCKET, folder.name, row
    for place, document in _newest_mandates(site).items():
        yield names.MANDATES_BUCKET, place, document
    yield from _certificates(site)
    yield from _policy(site)


def _certificates(site: Site) -> Iterator[Row]:
    """Yield the newest certificates of each hub."""
    known = Certificates(site.backend, site.issuer.verify_key)
    for hub in site.hub_names():
        certificate = known.of(hub)
        if certificate is not None:
            yield names.CERTIFICATES_BUCKET, hub, certificate.document
        for_tls = known.tls_of(hub)
        if for_tls is not None:
            yield names.TLS_BUCKET, hub, for_tls


def _newest_mandates(site: Site) -> dict[str, bytes]:
    found: dict[str, tuple[int, bytes]] = {}
    for file in (*site.path.glob("bridges/*/*.mandate"), *site.path.glob("gateways/*/*.mandate")):
        document = file.read_bytes()
        mandate = _mandate(document, site.name, site.issuer.verify_key)
        if mandate is None:
            continue
        place = mandate_place(Use(mandate.use), mandate.holder)
        if place not in found or found[place][0] < mandate.version:
            found[place] = (mandate.version, document)
    return {place: document for place, (_, document) in sorted(found.items())}


def _mandate(document: bytes, site: str, issuer: VerifyKey) -> Mandate | None:
    try:
        return prove_mandate(document, site, issuer)
    except ProofError:
        return None


def _policy(site: Site) -> Iterator[Row]:
    document = (site.path / "policy.cbor").read_bytes()
    brought = policies.split(document)
    is_small = len(document) <= PIECE_BYTES
    for name, piece in brought.pieces.items():
        if not is_small:
            yield names.POLICY_BUCKET, names.piece_key(name), piece
    version = policies.prove(brought.root, site.issuer.verify_key, site.name).version
    yield names.POLICY_BUCKET, names.root_key(version), document if is_small else brought.root
