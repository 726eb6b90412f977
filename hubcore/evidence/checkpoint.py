"""The signed checkpoint: what stands for the oldest records once they have gone.

A hub has a budget of bytes for records. At the budget the oldest go, if the backend has them
durably. The checkpoint then stands before the first record that is left.

Laws:
1. It names the last record that went, with the chain's hash. So the chain goes on from there.
2. The hub's identity key signs it, as a CWT of a kind of its own. So nobody can have records gone
   that the hub itself did not remove.
3. It is folded from the records that go and from the checkpoint before it: it holds what a start
   still asks of them. That is the newest record about the state, the newest about orders, and a
   hash of the uses of grants that stood.
4. It is folded only over records whose chain holds. So an edit is not removed with its record.

Shape: `{1: hub, 3: site, -65538: number, -65539: hash, -65540: SHA-256 of the uses,
-65541: record about the state, -65542: record about orders}`, a record as `[number, body, hash]` or
null.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import AuditError, FrameError, ProofError
from hubcore.evidence.carried_orders import is_about_orders
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import BODY_BYTES, Head, Record, RecordKind, StoredRecord, follows
from hubcore.evidence.statecheck import is_about_state
from hubcore.evidence.uses import SAYS_USE, UseChange, read_change

TYPE = "application/hub-checkpoint+cwt"
DOCUMENT_BYTES = 3 * BODY_BYTES
"""Ceiling of a document: two records, and what is around them."""

_NUMBER = -65538
_HASH = -65539
_USES = -65540
_STATE = -65541
_ORDERS = -65542
_CLAIMS = (cwt.ISS, cwt.AUD, _NUMBER, _HASH, _USES, _STATE, _ORDERS)
_CLAIMS_ITEMS = 32
_NUMBERS = range(1, 1 << 63)
_HASH_BYTES = 32

_KIND = cbor.encode("kind")
_SAYS_STATE = tuple(
    _KIND + cbor.encode(str(kind))
    for kind in (RecordKind.POLICY, RecordKind.STATE, RecordKind.STARTED)
)
_SAYS_ORDERS = cbor.encode(str(Fact.ORDERS))
"""Bytes that such records hold; others need not be decoded."""

UseRow = tuple[bytes, int, bytes, int, int]
"""Grant, number of the use, operation, end of the grant, and the number of the record."""


def hash_uses(rows: Iterable[UseRow]) -> bytes:
    """Return the hash of the uses that stand, given by grant and number, rising."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(cbor.encode_flat(list(row)))
    return digest.digest()


NO_USES = hash_uses(())


_START = Head()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`head` is the last record that went; `uses` the hash of the uses that stood after it.

    `state` and `orders` are the newest records that went and say something of them.
    """

    head: Head = _START
    uses: bytes = NO_USES
    state: StoredRecord | None = None
    orders: StoredRecord | None = None

    def sign(self, hub: str, site: str, key: SigningKey) -> bytes:
        """Return the document."""
        claims = {
            cwt.ISS: hub,
            cwt.AUD: site,
            _NUMBER: self.head.number,
            _HASH: self.head.hash,
            _USES: self.uses,
            _STATE: _write(self.state),
            _ORDERS: _write(self.orders),
        }
        return cwt.issue(TYPE, claims, key, None)


def _write(record: StoredRecord | None) -> list[Any] | None:
    return None if record is None else [record.number, record.body, record.hash]


def prove(document: object, hub: str, site: str, key: VerifyKey) -> Checkpoint:
    """Read the checkpoint of this hub, whose identity key is `key`. Raise AuditError."""
    try:
        claims = cwt.read(TYPE, _bounded(document), key, None, _CLAIMS)
        checkpoint = _read(claims)
    except ProofError as error:
        raise AuditError(f"the checkpoint proves nothing: {error}") from error
    if (claims[cwt.ISS], claims[cwt.AUD]) != (hub, site):
        raise AuditError("the checkpoint proves nothing: it is of another hub or site")
    return checkpoint


def read_unproven(document: object) -> Checkpoint:
    """Read a checkpoint whose signature nobody checks. Raise AuditError."""
    try:
        signed = cose.read_sign1(_bounded(document))
        claims = cwt.decode(signed.payload, _CLAIMS_ITEMS)
        if not isinstance(claims, dict) or claims.keys() != set(_CLAIMS):
            raise ProofError("its claims are not exactly those of a checkpoint")
        return _read(claims)
    except (ProofError, FrameError) as error:
        raise AuditError(f"the checkpoint proves nothing: {error}") from error


def _bounded(document: object) -> bytes:
    if not isinstance(document, bytes) or len(document) > DOCUMENT_BYTES:
        raise ProofError(f"bytes are expected, at most {DOCUMENT_BYTES}")
    return document


def _read(claims: dict[int, Any]) -> Checkpoint:
    number = claims[_NUMBER]
    hashes = (claims[_HASH], claims[_USES])
    if type(number) is not int or number not in _NUMBERS or not all(map(_is_hash, hashes)):
        raise ProofError("it names no record")
    return Checkpoint(
        head=Head(number, claims[_HASH]),
        uses=claims[_USES],
        state=_read_record(claims[_STATE], number),
        orders=_read_record(claims[_ORDERS], number),
    )


def _is_hash(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == _HASH_BYTES


def _read_record(said: Any, last: int) -> StoredRecord | None:
    match said:
        case None:
            return None
        case [int() as number, bytes() as body, bytes() as hash_]:
            if 1 <= number <= last and len(body) <= BODY_BYTES and _is_hash(hash_):
                return StoredRecord(number, body, hash_)
    raise ProofError("a record that it carries is none, or did not go")


class Folding:
    """Folds records that go into a checkpoint. `take` each in order."""

    def __init__(self, before: Checkpoint) -> None:
        self._checkpoint = before
        self.changes: list[tuple[int, UseChange]] = []
        """What the records do to the uses of grants, with their numbers."""

    def take(self, record: StoredRecord) -> None:
        """Fold the next record in. Raise AuditError for one that does not follow."""
        before = self._checkpoint
        follows(before.head, record)
        head = Head(record.number, record.hash)
        self._checkpoint = replace(before, head=head)
        body = record.body
        says_state = any(held in body for held in _SAYS_STATE)
        if not (says_state or _SAYS_ORDERS in body or SAYS_USE in body):
            return
        try:
            said = Record.decode(body)
        except AuditError:  # of a kind that this version does not know
            return
        if is_about_state(said):
            self._checkpoint = replace(self._checkpoint, state=record)
        if is_about_orders(said):
            self._checkpoint = replace(self._checkpoint, orders=record)
        change = read_change(said)
        if change is not None:
            self.changes.append((record.number, change))

    def folded(self, uses: bytes) -> Checkpoint:
        """Return the checkpoint; `uses` is the hash of the uses that stand after the last."""
        return replace(self._checkpoint, uses=uses)
