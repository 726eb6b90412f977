"""A line of the signer's log: one signature, as a record of a chain (`hubcore.evidence.records`).

Laws:
1. The names stand in logs that are kept for years: none is ever changed.
2. A line says what was signed, when, for whom and who asked. It holds no document and no key.
3. What is read was written so: a line of another shape is refused.
4. The line of a certificate has its access points, too. Older ones have none.
"""

from __future__ import annotations

from typing import Any

from hubcore.codec import cbor
from hubcore.errors import AuditError
from hubcore.evidence import records
from hubcore.issuing.standing import Signed
from hubcore.issuing.words import ASKER_BYTES, DocumentKind

KIND = "signed"
DIGEST_BYTES = 32
_NAMES = {"kind", "at", "mono", "document", "of", "number", "digest", "key", "asker"}
_WITH_POINTS = _NAMES | {"points"}
_BY_WORD = {kind.word: kind for kind in DocumentKind}


def write_line(fact: Signed, asker: str, mono_ms: int) -> bytes:
    """Return the bytes of a line. `asker` is cut to ASKER_BYTES."""
    said = {
        "kind": KIND,
        "at": fact.at_ms,
        "mono": mono_ms,
        "document": fact.kind.word,
        "of": fact.of,
        "number": fact.number,
        "digest": fact.digest,
        "key": fact.key,
        "asker": asker.encode("utf-8", "replace")[:ASKER_BYTES].decode("utf-8", "ignore"),
    }
    if fact.points:
        said["points"] = write_points(fact.points)
    return cbor.encode_flat(cbor.in_order(said))


def write_points(points: tuple[int, ...]) -> str:
    """Return access points as a line has them."""
    return " ".join(map(str, points))


def read_points(text: str) -> tuple[int, ...]:
    """Return the access points of a line. Raise AuditError."""
    points = text.split()
    if not all(point.isascii() and point.isdecimal() for point in points):
        raise AuditError("a line of the log has access points that are no numbers")
    return tuple(map(int, points))


def read_line(body: bytes) -> tuple[Signed, str]:
    """Return what a line says, and who asked. Raise AuditError."""
    said = records.facts(body)
    if said["kind"] != KIND or said.keys() not in (_NAMES, _WITH_POINTS):
        raise AuditError("it is no line of a signer's log")
    kind = _BY_WORD.get(_typed(said, "document", str))
    digest = _typed(said, "digest", bytes)
    if kind is None or len(digest) != DIGEST_BYTES:
        raise AuditError("a line of the log is of a kind that this version does not sign")
    fact = Signed(
        kind=kind,
        at_ms=said["at"],
        of=_typed(said, "of", str),
        number=_typed(said, "number", int),
        digest=digest,
        key=_typed(said, "key", bytes),
        points=read_points(_typed(said, "points", str)) if "points" in said else (),
    )
    return fact, _typed(said, "asker", str)


def _typed(said: dict[str, Any], name: str, kind: type) -> Any:
    value = said[name]
    if type(value) is not kind:
        raise AuditError(f"a line of the log has no {name}")
    return value
