"""Writes acts, and verifies them.

Laws:
1. An act is written in the transaction of what it tells: both are there, or neither.
2. People are named by opaque ids only. Operators are named by the names of their accounts.
3. The chain is that of a hub's records (`hubcore.evidence.records`): an edit, a removal, a swap and
   a cut tail show, and a rewritten chain against a head that somebody kept elsewhere.
4. Who verifies keeps nobody from writing: the walk is no transaction, and goes on with what was
   written meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from django.db import transaction

from hubcore.codec import cbor
from hubcore.errors import AuditError
from hubcore.evidence.records import BODY_BYTES, GENESIS, Head, Value, Walk, chain_hash
from hubsite.acts.bell import BELL
from hubsite.acts.kinds import ActKind
from hubsite.acts.models import HEAD, Act, ChainHead

WALK_ROWS = 1000
BY = "by"
ABOUT = "about"


@dataclass(frozen=True, slots=True)
class NewAct:
    """An act that is to be written."""

    kind: ActKind
    about: str = ""
    facts: Mapping[str, Value] = field(default_factory=dict)


def write(by: str, kind: ActKind, about: str = "", **facts: Value) -> Act:
    """Write an act, in a transaction that is open (law 1).

    `by` is an account's name, "" for somebody at the machine. `about` names what it was done to.
    Raise AuditError for what no record can hold.
    """
    return write_all(by, (NewAct(kind, about, facts),))[0]


def write_all(by: str, new: Sequence[NewAct]) -> list[Act]:
    """Write many acts as `write` writes one. Raise AuditError; then none was written."""
    if not transaction.get_connection().in_atomic_block:
        raise AuditError(f"{new[0].kind}: an act is written in the transaction of what it tells")
    bodies = [_body(by, one.kind, one.about, dict(one.facts)) for one in new]
    head, _ = ChainHead.objects.select_for_update().get_or_create(
        pk=HEAD, defaults={"number": 0, "hash": GENESIS}
    )
    number = head.number
    digest = bytes(head.hash)
    acts = []
    for body in bodies:
        number += 1
        digest = chain_hash(digest, number, body)
        at_ms = cbor.decode(body)["at"]
        acts.append(Act(number=number, at_ms=at_ms, body=body, hash=digest))
    Act.objects.bulk_create(acts, WALK_ROWS)
    ChainHead.objects.filter(pk=HEAD).update(number=number, hash=digest)
    transaction.on_commit(BELL.ring)
    return acts


def _body(by: str, kind: ActKind, about: str, facts: dict[str, Value]) -> bytes:
    said: dict[str, Value] = {
        **facts,
        BY: by,
        ABOUT: about,
        "kind": str(kind),
        "at": time.time_ns() // 1_000_000,
        "mono": time.monotonic_ns() // 1_000_000,
    }
    try:
        body = cbor.encode(said)
    except (TypeError, ValueError) as error:
        raise AuditError(f"{kind}: no act can hold this: {error}") from error
    if len(body) > BODY_BYTES:
        raise AuditError(f"{kind}: an act has at most {BODY_BYTES} bytes")
    return body


def verify(known: Iterable[Head] = ()) -> Head:
    """Check the whole chain; return its head. Raise AuditError with the first act that is wrong.

    `known` are heads that somebody kept.
    """
    walk = Walk(known)
    last = 0
    while True:
        read = last
        for act in Act.objects.filter(number__gt=last).order_by("number").iterator(WALK_ROWS):
            walk.take(act.stored, act.at_ms)
            last = act.number
        kept = ChainHead.objects.filter(pk=HEAD).first()
        if last == read or kept is None or kept.number <= last:
            break
    found = walk.finish()
    kept_head = Head(kept.number, bytes(kept.hash)) if kept else Head()
    if kept_head != found:
        raise AuditError(
            f"record {found.number + 1} is missing: the end of the chain was cut off, "
            f"for record {kept_head.number} was known once"
        )
    return found
