"""The commands from afar that were given lately, and what became of them.

Laws:
1. An id is at work once. Who asks again meanwhile waits for that, and later gets its answer.
2. After a restart an id that was allowed has the outcomes that the records tell. Where they tell
   none, nobody knows what was done: UNKNOWN, and it is not done again.
3. At most ACTS_MAX are remembered. While there is no room, what is new is refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hubcore.backend.uplink.from_backend import Act
from hubcore.backend.uplink.from_hub import ActResult, DeviceOutcome
from hubcore.backend.uplink.words import ID_BYTES, MAX_DEVICES, ActOutcome
from hubcore.device.command import DEVICE_ID
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import Record, RecordKind, StoredRecord
from hubd.doors.recall import ORDER_REMEMBERED_SECONDS, with_ages

ACTS_MAX = 512
AFTER_A_RESTART = "the hub was started again meanwhile"


@dataclass(frozen=True, slots=True)
class ActContent:
    """What must be the same when an id is asked again."""

    target: str | int
    verb: int
    level: int | None

    @classmethod
    def of(cls, order: Act) -> ActContent:
        """Return an order's."""
        return cls(order.target, int(order.verb), order.level)


@dataclass(slots=True)
class KnownAct:
    """A command that was allowed at monotonic second `at`; `answer` None while it is at work."""

    content: ActContent
    at: float
    answer: ActResult | None = None
    answered: asyncio.Event | None = None

    async def result(self) -> ActResult | None:
        """Return its answer, once there is one; None when nothing was done for it."""
        if self.answered is not None:
            await self.answered.wait()
        return self.answer


class AskedActs:
    """By id; the oldest first. Times are monotonic seconds."""

    def __init__(self, seconds: float = ORDER_REMEMBERED_SECONDS, acts_max: int = ACTS_MAX) -> None:
        self._seconds = seconds
        self._acts_max = acts_max
        self._acts: OrderedDict[bytes, KnownAct] = OrderedDict()

    def get(self, id_: bytes, now: float) -> KnownAct | None:
        """Return what is known of an id."""
        self._forget_old(now)
        return self._acts.get(id_)

    def has_room(self) -> bool:
        """Tell whether one more can be remembered."""
        return len(self._acts) < self._acts_max

    def begin(self, order: Act, now: float) -> None:
        """An order is at work now."""
        self._acts[order.id] = KnownAct(ActContent.of(order), now, answered=asyncio.Event())

    def end(self, id_: bytes, answer: ActResult, keep: bool) -> None:
        """It is over; not to `keep` it: nothing was done, and it is new when it is asked again."""
        act = self._acts[id_]
        act.answer = answer
        if act.answered is not None:
            act.answered.set()
        if not keep:
            del self._acts[id_]

    def remember(self, records: Sequence[StoredRecord], now: float) -> None:
        """Learn from the newest records what was given before a restart."""
        for record, age_seconds in with_ages(records, now):
            if record.kind is RecordKind.COMMAND:
                self._read(record, now - age_seconds)

    def _read(self, record: Record, at: float) -> None:
        match record.detail:
            case {
                Fact.OP: bytes(id_),
                Fact.TARGET: str() | int() as target,
                Fact.VERB: int(verb),
                Fact.DEVICES: str(devices),
                Fact.ALLOWED: True,
                **rest,
            } if len(id_) == ID_BYTES and self.has_room():
                level = rest.get(Fact.LEVEL)
                content = ActContent(target, verb, level if isinstance(level, int) else None)
                unknown = (DeviceOutcome(id_, ActOutcome.UNKNOWN) for id_ in _ids(devices))
                answer = ActResult(id_, tuple(unknown), AFTER_A_RESTART)
                self._acts[id_] = KnownAct(content, at, answer)
            case {Fact.OF: bytes(id_), Fact.OUTCOMES: str(outcomes)} if id_ in self._acts:
                self._acts[id_].answer = ActResult(id_, read_outcomes(outcomes), "")

    def _forget_old(self, now: float) -> None:
        while self._acts:
            id_, oldest = next(iter(self._acts.items()))
            if oldest.answer is None or now - oldest.at <= self._seconds:
                return
            del self._acts[id_]

    def __len__(self) -> int:
        return len(self._acts)


def _ids(text: str) -> Iterator[str]:
    """Yield the ids of a record; what another version wrote otherwise is passed over."""
    for id_ in text.split(" ")[:MAX_DEVICES]:
        if DEVICE_ID.fullmatch(id_):
            yield id_


def write_outcomes(outcomes: Sequence[DeviceOutcome]) -> str:
    """Return outcomes as a record holds them."""
    return " ".join(f"{device}={outcome.name.lower()}" for device, outcome in outcomes)


def read_outcomes(text: str) -> tuple[DeviceOutcome, ...]:
    """Read them again; what another version wrote otherwise is passed over."""
    outcomes = []
    for said in text.split(" ")[:MAX_DEVICES]:
        device, _, outcome = said.partition("=")
        name = outcome.upper()
        if DEVICE_ID.fullmatch(device) and name in ActOutcome.__members__:
            outcomes.append(DeviceOutcome(device, ActOutcome[name]))
    return tuple(outcomes)
