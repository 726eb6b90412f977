"""A file of records that proves itself on any machine: a CBOR sequence (RFC 8742).

    ["hub/export/1", first, hash before it]     how it begins
    [number, body, hash]                        each record, in order
    seal, certificate                           two tagged COSE_Sign1; or null: nobody signed it

Laws:
1. Each record follows the one before by the chain's hash, and the first the hash of the beginning.
   So the first wrong record is found, and named.
2. The seal is a CWT of a kind of its own, by the hub's identity key. It names both ends: the first
   record with the hash before it, and the last with its own. So a record cut off at either end is
   missed, and so is a chain that was hashed again.
3. The certificate is the hub's. The site's issuer proves it, and it proves the seal's key. Whether
   it is valid now does not matter: the seal was made when it was.
4. A reader keeps one chunk and one record in memory, however long the file is.

Claims of the seal: `{1: hub, 3: site, -65538: last, -65539: its hash, -65543: first, -65544: the
hash before it}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cbor import Cursor
from hubcore.codec.cose import SigningKey, VerifyKey
from hubcore.errors import AuditError, FrameError, ProofError
from hubcore.evidence.records import BODY_BYTES, Head, StoredRecord, facts, follows

TYPE = "application/hub-export+cwt"
LABEL = "hub/export/1"
DOCUMENT_BYTES = 8192
"""Ceiling of the seal and of the certificate."""
ITEM_BYTES = DOCUMENT_BYTES + 1024
"""No item is longer, whatever stands around its bytes."""
UNSIGNED = cbor.encode(None)

_LAST = -65538
_LAST_HASH = -65539
_FIRST = -65543
_BEFORE = -65544
_CLAIMS = (cwt.ISS, cwt.AUD, _LAST, _LAST_HASH, _FIRST, _BEFORE)
_HASH_BYTES = 32
_NUMBER_MAX = (1 << 63) - 1
_RECORD_ITEMS = 3
_RECORD_HEAD = 0x80 | _RECORD_ITEMS


@dataclass(frozen=True, slots=True)
class Ends:
    """What an export goes from and to: the point before its first record, and its last."""

    before: Head
    last: Head

    @property
    def count(self) -> int:
        """How many records are between."""
        return self.last.number - self.before.number

    def sign(self, hub: str, site: str, key: SigningKey) -> bytes:
        """Return the seal."""
        claims = {
            cwt.ISS: hub,
            cwt.AUD: site,
            _LAST: self.last.number,
            _LAST_HASH: self.last.hash,
            _FIRST: self.before.number + 1,
            _BEFORE: self.before.hash,
        }
        return cwt.issue(TYPE, claims, key, None)


def prove(seal: bytes, ends: Ends, hub: str, site: str, key: VerifyKey) -> None:
    """Check that the hub whose identity key is `key` has signed exactly these ends.

    Raise AuditError.
    """
    try:
        claims = cwt.read(TYPE, seal, key, None, _CLAIMS)
    except ProofError as error:
        raise AuditError(f"the seal proves nothing: {error}") from error
    if (claims[cwt.ISS], claims[cwt.AUD]) != (hub, site):
        raise AuditError("the seal proves nothing: it is of another hub or site")
    first = ends.before.number + 1
    if (claims[_FIRST], claims[_BEFORE]) != (first, ends.before.hash):
        raise AuditError(
            f"record {claims[_FIRST]} ought to be the first: the beginning was cut off"
        )
    if (claims[_LAST], claims[_LAST_HASH]) != (ends.last.number, ends.last.hash):
        raise AuditError(
            f"record {ends.last.number + 1} is missing: the hub signed the records up to "
            f"{claims[_LAST]}"
        )


def write_begin(before: Head) -> bytes:
    """Return how an export begins, whose first record follows `before`."""
    return cbor.encode_flat([LABEL, before.number + 1, before.hash])


def write_record(record: StoredRecord) -> bytes:
    """Return one record."""
    return cbor.encode_flat([record.number, record.body, record.hash])


def read_end(data: bytes) -> tuple[bytes, bytes]:
    """Return the seal and the certificate that stand at the end; nothing is proven of them.

    Raise FrameError.
    """
    cursor = Cursor(data)
    cose.pass_sign1(cursor, DOCUMENT_BYTES)
    between = cursor.at
    cose.pass_sign1(cursor, DOCUMENT_BYTES)
    cursor.end()
    return data[:between], data[between:]


class Export:
    """Reads an export of chunks of any size. Use up `records`, then look at the rest.

    What is no export, or one whose records do not follow each other, ends in AuditError.
    """

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._data = b""
        self._at = 0
        self.before = self._begin()
        self.last = self.before
        self.seal: bytes | None = None
        """The hub's signature; None: nobody signed it."""
        self.certificate = b""

    @property
    def ends(self) -> Ends:
        """What it goes from and to, as far as it was read."""
        return Ends(self.before, self.last)

    def records(self) -> Iterator[StoredRecord]:
        """Yield each record that follows, up to the end of the file."""
        while self._next_head() == _RECORD_HEAD:
            record = self._record()
            follows(self.last, record)
            try:
                facts(record.body)
            except AuditError as error:
                raise AuditError(f"record {record.number}: {error}") from error
            self.last = Head(record.number, record.hash)
            yield record
        self._end()

    def _begin(self) -> Head:
        self._fill()
        cursor = Cursor(self._data)
        try:
            if cursor.array() != _RECORD_ITEMS or cursor.text(0, len(LABEL)) != LABEL:
                raise FrameError("it begins otherwise")
            first = cursor.uint(_NUMBER_MAX)
            before = cursor.string(_HASH_BYTES, _HASH_BYTES)
        except FrameError as error:
            raise AuditError(f"this is no export of evidence: {error}") from error
        if not first:
            raise AuditError("this is no export of evidence: the first record is 1")
        self._at = cursor.at
        return Head(first - 1, before)

    def _record(self) -> StoredRecord:
        cursor = Cursor(self._data, self._at)
        try:
            cursor.array()
            number = cursor.uint(_NUMBER_MAX)
            body = cursor.string(0, BODY_BYTES)
            hash_ = cursor.string(_HASH_BYTES, _HASH_BYTES)
        except FrameError as error:
            raise self._damaged(error) from error
        self._at = cursor.at
        return StoredRecord(number, body, hash_)

    def _end(self) -> None:
        """Read what stands after the last record."""
        rest = self._data[self._at :]
        if len(rest) <= 2 * ITEM_BYTES:
            rest += b"".join(self._some(2 * ITEM_BYTES))
        if rest == UNSIGNED:
            return
        try:
            self.seal, self.certificate = read_end(rest)
        except FrameError as error:
            raise self._damaged(error) from error

    def _damaged(self, error: FrameError) -> AuditError:
        number = self.last.number
        return AuditError(
            f"after record {number} stands neither record {number + 1} nor the end: {error}"
        )

    def _next_head(self) -> int | None:
        """Return the first byte of the next item; None at the end of the file."""
        if len(self._data) - self._at < ITEM_BYTES:
            self._fill()
        return self._data[self._at] if self._at < len(self._data) else None

    def _fill(self) -> None:
        """Have at least one whole item, or all that is left."""
        self._data = self._data[self._at :] + b"".join(self._some(ITEM_BYTES))
        self._at = 0

    def _some(self, bytes_min: int) -> Iterator[bytes]:
        """Yield chunks until there are so many bytes, or no more."""
        taken = 0
        for chunk in self._chunks:
            yield chunk
            taken += len(chunk)
            if taken >= bytes_min:
                return
