"""Reads the newest policy out of the hubs' engine, as a hub would take it.

Laws:
1. Nothing of it is believed before the issuer's signature has been checked, and each piece by its
   hash.
2. At most PIECES_MAX pieces are read, and ROOTS_MAX roots looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

from hubcore.codec.cose import VerifyKey
from hubcore.errors import SignatureError, StoreError
from hubcore.policy import document
from hubcore.policy.assembly import Assembly
from hubcore.policy.document import Issued
from hubcore.policy.policy import Policy
from hubgateway.rules import names
from hubsite.hubs.engine import HubsEngine

PIECES_MAX = 1024
ROOTS_MAX = 64
_AT_ONCE = 64


async def newest_policy(engine: HubsEngine, version: int, issuer: VerifyKey, site: str) -> Policy:
    """Return the policy of this version, proven.

    Raise TrustError, PeerError, LinkError, StoreError.
    """
    whole = await _value(engine, names.root_key(version))
    proven = document.prove(whole, issuer, site)
    if proven.version != version:
        raise SignatureError(f"policy {version}: another version is under its name")
    brought = document.split(whole)
    assembly = Assembly(proven.root().trees, lambda _table, _piece, _name: False)
    pieces: dict[bytes, bytes] = {}
    while wanted := assembly.ask(_AT_ONCE):
        taken = 0
        for name in wanted:
            piece = await _piece(engine, name, brought.pieces)
            if assembly.take(piece) is not None:
                pieces[name] = piece
                taken += 1
        if not taken or len(pieces) > PIECES_MAX:
            raise SignatureError(f"policy {version}: its pieces are not whole in the engine")
    return document.read(Issued(brought.root, pieces).bundle(), issuer, site)


async def newest_of_site(engine: HubsEngine, issuer: VerifyKey, site: str) -> int:
    """Return the highest version whose root this issuer has signed, 0 for none.

    What others have written there counts for no hub. Raise LinkError, StoreError; StoreError, too,
    where ROOTS_MAX others stand above.
    """
    versions = sorted(await engine.versions(), reverse=True)
    for version in versions[:ROOTS_MAX]:
        try:
            proven = document.prove(await _value(engine, names.root_key(version)), issuer, site)
        except SignatureError:
            continue
        if proven.version == version:
            return version
    if len(versions) > ROOTS_MAX:
        raise StoreError(f"the engine has {len(versions)} policies, and the newest are of others")
    return 0


async def _piece(engine: HubsEngine, name: bytes, brought: Mapping[bytes, bytes]) -> bytes:
    return brought.get(name) or await _value(engine, names.piece_key(name))


async def _value(engine: HubsEngine, key: str) -> bytes:
    """Return what lies under a key of the bucket of policies, b"" for nothing."""
    bucket = names.POLICY_BUCKET
    message = await engine.next(1, f"KV_{bucket}", f"$KV.{bucket}.{key}")
    return b"" if message is None else message.data or b""
