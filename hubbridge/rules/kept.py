"""What a bridge holds of one hub's chain: spans of records, and the newest head that it saw.

How it works: whoever serves the hub names the record before the next one that comes (`resume`): by
the hub's first Hello, or by a head that the backend has signed. That opens a span, unless the
record lies in one. Each record then extends the span that it follows. A span that reaches the next
one becomes one with it. So records may come again, and in any order of spans, and the same is held
in the end.

Where a hub's records went up another way there is a gap. Until the backend says that it has what is
missing, the gap is shown. Whether a hub is believed is not judged here.

Laws:
1. Only the true successor of a span's newest record is new.
2. Another record under a number that is held is a fork. So is a successor whose hash does not
   follow, and a span that reaches the next one with another hash.
3. Only what is durable at the backend may go, the oldest first.
4. The newest head stays when its record has gone. It shows a hub whose disk was turned back.
5. A record that follows nothing here is not taken: the hub has to name the one before it.
6. Spans rise and never touch. There are at most SPANS_MAX.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import pairwise

from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import Head, StoredRecord, follows

SPANS_MAX = 64
"""A span is one outage at most in which the hub reached the backend by another way."""

HashOf = Callable[[int], bytes]
"""Returns the chain hash of a record that is held. Raises StoreError for one that is not there."""


@dataclass(frozen=True, slots=True)
class Span:
    """Records that follow one another: those after `before`, up to and with `newest`."""

    before: Head
    newest: Head

    def __post_init__(self) -> None:
        """Raise StoreError for what is no span."""
        is_empty = self.before.number == self.newest.number
        if self.newest.number < self.before.number or (is_empty and self.before != self.newest):
            raise StoreError(f"a span cannot go from record {self.before} to {self.newest}")

    def __len__(self) -> int:
        return self.newest.number - self.before.number

    def __contains__(self, number: int) -> bool:
        return self.before.number < number <= self.newest.number


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that neither the bridge holds nor the backend is known to have."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The spans of one hub, and the newest record that the backend is known to have."""

    spans: tuple[Span, ...] = ()
    durable: int = 0

    def __post_init__(self) -> None:
        """Raise StoreError for spans that touch, or are too many (law 6)."""
        ends = 0
        for place, span in enumerate(self.spans):
            if place > 0 and span.before.number <= ends:
                raise StoreError(f"two spans of a hub touch at record {ends}")
            ends = span.newest.number
        if len(self.spans) > SPANS_MAX:
            raise StoreError(f"a hub has more than {SPANS_MAX} spans")

    @property
    def newest(self) -> Head:
        """The newest head that this hub has shown, `Head()` before the first one."""
        return self.spans[-1].newest if self.spans else Head()

    @property
    def waiting(self) -> int:
        """How many records are held that the backend is not known to have."""
        held = sum(len(span) for span in self.spans)
        return held - self.releasable

    @property
    def releasable(self) -> int:
        """How many records may go (law 3)."""
        return sum(
            max(0, min(span.newest.number, self.durable) - span.before.number)
            for span in self.spans
        )

    @property
    def begins(self) -> int:
        """The number behind which records are held, or wanted, that the backend may not have."""
        before = self.spans[0].before.number if self.spans else 0
        return max(before, self.durable)

    @property
    def wanted(self) -> Head:
        """The record after which the hub's are wanted.

        It is the newest, or the last one before a gap that the backend is not known to have.
        """
        for span, after in pairwise(self.spans):
            if after.before.number > self.durable:
                return span.newest
        return self.newest

    def gaps(self) -> tuple[Gap, ...]:
        """Return what is missing between the backend and the newest head."""
        found: list[Gap] = []
        after = self.durable
        for span in self.spans:
            if span.before.number > after:
                found.append(Gap(after + 1, span.before.number))
            after = max(after, span.newest.number)
        return tuple(found)


@dataclass(slots=True)
class Judged:
    """What some records come to. `kept` is what is held once `new` is on the disk."""

    kept: Kept
    new: list[StoredRecord] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)
    apart: list[int] = field(default_factory=list)
    """They follow nothing here (law 5)."""
    fork: str = ""
    """Why the hub's records are no longer one story; empty: they are."""


def resume(kept: Kept, before: Head, hash_of: HashOf) -> Kept | str:
    """Return what is held when a hub names the record before its next one.

    A text says why that is no continuation: it is a fork, or there are too many spans.
    """
    spans = _without_empty(kept.spans)
    for span in spans:
        if before.number in span or before.number == span.before.number:
            known = _hash_in(span, before.number, hash_of)
            if known != before.hash:
                return f"record {before.number} is held here with another hash"
            return replace(kept, spans=spans)
    if len(spans) == SPANS_MAX:
        return f"it leaves more than {SPANS_MAX} gaps"
    opened = (*spans, Span(before, before))
    return replace(kept, spans=tuple(sorted(opened, key=lambda one: one.before.number)))


def judge(kept: Kept, records: Iterable[StoredRecord], hash_of: HashOf) -> Judged:
    """Sort records; nothing after a fork is looked at."""
    judged = Judged(kept)
    fresh: dict[int, bytes] = {}

    def known(number: int) -> bytes:
        found = fresh.get(number)
        return hash_of(number) if found is None else found

    for record in records:
        try:
            _judge_one(judged, record, known)
        except AuditError as error:
            judged.fork = str(error)
            break
        fresh[record.number] = record.hash
    return judged


def grown(kept: Kept, newest: Head) -> Kept:
    """Return what is held once records that follow the newest one are on the disk, up to this."""
    *before, last = kept.spans
    return replace(kept, spans=(*before, Span(last.before, newest)))


def _judge_one(judged: Judged, record: StoredRecord, hash_of: HashOf) -> None:
    """Put one record where it belongs. Raise AuditError for a fork."""
    spans = judged.kept.spans
    for place, span in enumerate(spans):
        if record.number in span:
            before = _hash_in(span, record.number - 1, hash_of)
            follows(Head(record.number - 1, before), record)
            if _hash_in(span, record.number, hash_of) != record.hash:
                raise AuditError(f"record {record.number} is held here with other bytes")
            judged.repeated.append(record.number)
            return
        if record.number == span.newest.number + 1:
            follows(span.newest, record)
            judged.kept = Kept(_extended(spans, place, record), judged.kept.durable)
            judged.new.append(record)
            return
    judged.apart.append(record.number)


def _extended(spans: tuple[Span, ...], place: int, record: StoredRecord) -> tuple[Span, ...]:
    """Return the spans with one that grew by a record, joined with the next where it reaches it."""
    grown = Span(spans[place].before, Head(record.number, record.hash))
    after = spans[place + 1 :]
    if after and after[0].before.number == record.number:
        if after[0].before.hash != record.hash:
            raise AuditError(f"record {record.number} was named here with another hash")
        grown = Span(grown.before, after[0].newest)
        after = after[1:]
    return (*spans[:place], grown, *after)


def told_durable(kept: Kept, number: int) -> Kept:
    """Return what is held when the backend says that it has all records up to this one.

    The number may be lower than before: a backend may have come back from an older copy.
    """
    return replace(kept, durable=number)


def agrees(kept: Kept, head: Head, hash_of: HashOf) -> bool | None:
    """Tell whether this record is the one that is held here; None where none is known."""
    for span in kept.spans:
        if head.number in span or head.number == span.before.number:
            return _hash_in(span, head.number, hash_of) == head.hash
    return None


def let_go(kept: Kept, most: int, hash_of: HashOf) -> tuple[Kept, range]:
    """Return what is held without the oldest records, and their numbers: at most `most`."""
    for place, span in enumerate(kept.spans):
        last = min(span.newest.number, kept.durable, span.before.number + most)
        if last <= span.before.number:
            continue
        rest = Span(Head(last, _hash_in(span, last, hash_of)), span.newest)
        gone = range(span.before.number + 1, last + 1)
        return replace(kept, spans=_in_place(kept.spans, place, [rest])), gone
    return kept, range(0)


def cut_after(kept: Kept, proven: Head) -> tuple[Kept, range]:
    """Return what is held without the records that follow a proven one in its span.

    One of them is damaged on the disk. The hub has them still, as long as they are not durable at
    the backend: it sends them again. The newest head stays (law 4).
    """
    for place, span in enumerate(kept.spans):
        if proven.number + 1 not in span:
            continue
        rest = [Span(span.before, proven)]
        if place == len(kept.spans) - 1:
            rest.append(Span(span.newest, span.newest))
        gone = range(proven.number + 1, span.newest.number + 1)
        return replace(kept, spans=_in_place(kept.spans, place, rest)), gone
    return kept, range(0)


def _hash_in(span: Span, number: int, hash_of: HashOf) -> bytes:
    """Return the hash of a record of a span, or of the one before it."""
    if number == span.before.number:
        return span.before.hash
    if number == span.newest.number:
        return span.newest.hash
    return hash_of(number)


def _in_place(spans: tuple[Span, ...], place: int, rest: list[Span]) -> tuple[Span, ...]:
    """Return the spans with what is left of one in its place.

    A span that a hub has opened and not begun to fill stays: its records are on their way.
    """
    after = spans[place + 1 :]
    left = [one for one in rest[:-1] if len(one) > 0]
    if len(rest[-1]) > 0 or not after:
        left.append(rest[-1])
    return (*spans[:place], *left, *after)


def _without_empty(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Leave out spans without a record, but for the newest head (law 4)."""
    return tuple(one for one in spans[:-1] if len(one) > 0) + spans[-1:]
