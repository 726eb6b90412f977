"""A line of the signer's log about a hub, beside those of signatures (`hubcore.issuing.lines`).

Laws:
1. The names stand in logs that are kept for years: none is ever changed.
2. A line says what is done, to which hub, for which operator and who asked. It holds no token.
3. What is read was written so: a line of another shape is refused.
"""

from __future__ import annotations

from typing import Any

from hubcore.codec import cbor
from hubcore.errors import AuditError
from hubcore.evidence import records
from hubcore.issuing.hubasks import HubAct
from hubcore.issuing.hubrules import Decided
from hubcore.issuing.lines import read_line, read_points, write_points
from hubcore.issuing.standing import Signed
from hubcore.issuing.words import ASKER_BYTES

KIND = "decided"
_NAMES = frozenset(
    {"kind", "at", "mono", "act", "by", "of", "points", "fingerprint", "replaces", "asker"}
)
_BY_WORD = {act.word: act for act in HubAct}


def write_decided(fact: Decided, asker: str, mono_ms: int) -> bytes:
    """Return the bytes of a line. `asker` is cut to ASKER_BYTES."""
    said = {
        "kind": KIND,
        "at": fact.at_ms,
        "mono": mono_ms,
        "act": fact.act.word,
        "by": fact.by,
        "of": fact.hub,
        "points": write_points(fact.points),
        "fingerprint": fact.fingerprint,
        "replaces": fact.replaces,
        "asker": asker.encode("utf-8", "replace")[:ASKER_BYTES].decode("utf-8", "ignore"),
    }
    return cbor.encode_flat(cbor.in_order(said))


def read_any(body: bytes) -> tuple[Signed | Decided, str]:
    """Return what a line of either sort says, and who asked. Raise AuditError."""
    said = records.facts(body)
    if said["kind"] != KIND:
        return read_line(body)
    if said.keys() != _NAMES:
        raise AuditError("it is no line of a signer's log")
    act = _BY_WORD.get(_typed(said, "act", str))
    if act is None:
        raise AuditError("a line of the log is of a kind that this version does not know")
    fact = Decided(
        act=act,
        at_ms=said["at"],
        by=_typed(said, "by", str),
        hub=_typed(said, "of", str),
        points=read_points(_typed(said, "points", str)),
        fingerprint=_typed(said, "fingerprint", str),
        replaces=_typed(said, "replaces", bool),
    )
    return fact, _typed(said, "asker", str)


def _typed(said: dict[str, Any], name: str, kind: type) -> Any:
    value = said[name]
    if type(value) is not kind:
        raise AuditError(f"a line of the log has no {name}")
    return value
