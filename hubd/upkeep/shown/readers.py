"""What `hubctl osdp` shows: each reader of the configuration, and how it stands.

Laws:
1. It only reads, and waits for nothing. It names no card, no person and no key.
2. What nothing has told yet is None: a channel is secured only once the reader has proven itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.checks import CHECK_OF_READER_FAULT, Problem
from hubcore.ports.reader import ReaderFault
from hubd.config.file import Config
from hubd.config.readers import Reader
from hubd.config.section import kind_of
from hubd.readers.attending import LOSSES, Attending
from hubd.readers.faults import FaultSpan

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ReaderReport:
    """`readers` is None for a hub without any."""

    config: Config
    readers: Attending | None

    def documents(self) -> list[Document]:
        """Return all readers."""
        if self.readers is None:
            return []
        return [self._document(self.readers, reader) for reader in self.config.readers]

    def _document(self, readers: Attending, reader: Reader) -> Document:
        doors = {
            point.number: (door.id, point.name)
            for door in self.config.doors
            for point in door.access_points
        }
        door, point_name = doors.get(reader.access_point, (None, None))
        faults = readers.faults(reader.id)
        proven_with = readers.proven_with(reader.id)
        last = readers.last_fault(reader.id)
        return {
            "id": reader.id,
            "kind": kind_of(reader),
            "door": door,
            "access_point": reader.access_point,
            "point_name": point_name,
            "line": str(reader.device),
            "address": reader.address,
            "baud": reader.baud,
            "secured": _secured(faults, proven=proven_with is not None),
            "key": None if proven_with is None else proven_with.value,
            "has_next_key": reader.next_key is not None,
            "tamper": any(one.fault is ReaderFault.TAMPERED for one in faults),
            "faults": [_standing(reader.id, one) for one in faults],
            "last_fault": None if last is None else _over(last),
        }


def _secured(faults: list[FaultSpan], *, proven: bool) -> bool | None:
    if any(one.fault in LOSSES for one in faults):
        return False
    return True if proven else None


def _standing(reader: str, span: FaultSpan) -> Document:
    problem = Problem(CHECK_OF_READER_FAULT[span.fault], {"readers": reader})
    return {
        "fault": span.fault.value,
        "since": span.began,
        "what": problem.what,
        "remedy": problem.remedy,
    }


def _over(span: FaultSpan) -> Document:
    return {"fault": span.fault.value, "began": span.began, "ended": span.ended}
