"""Packets of multicast DNS (RFC 1035, 6762), as far as a search for one service takes.

Laws:
1. A packet of more than PACKET_BYTES, or with more than ITEMS_MAX questions and records, is refused
   before anything of it is kept.
2. A name has at most NAME_BYTES and LABELS_MAX labels. A pointer leads back, never forward or to
   itself, so every name ends.
3. A packet is read, or FrameError is raised and nothing else. Records of other types are passed
   over, unread.
4. Names are compared without regard to the case of ASCII letters, and shown to nobody.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from hubcore.errors import FrameError

PACKET_BYTES = 1500
ITEMS_MAX = 32
NAME_BYTES = 255
LABEL_BYTES = 63
LABELS_MAX = 16
CLASS_IN = 1
UNICAST = 0x8000
"""In the class of a question: answer whoever asks, not the whole network (RFC 6762, 5.4)."""
_ANSWER = 0x8400
"""QR and AA."""
_HEAD = struct.Struct("!6H")
_QUESTION = struct.Struct("!2H")
_RECORD = struct.Struct("!2HIH")
_SRV = struct.Struct("!3H")
_POINTER = 0xC0

Name = tuple[bytes, ...]
"""Labels, in lower case."""


class Kind(IntEnum):
    """The types that a search takes."""

    PTR = 12
    SRV = 33
    ANY = 255


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `unicast`: the answer is wanted by whoever asks alone."""

    name: Name
    kind: int
    unicast: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """A record SRV: where the service of this name listens. Its target's name is not read."""

    name: Name
    port: int


@dataclass(frozen=True, slots=True)
class Packet:
    """What was read: questions, or the services of an answer."""

    id: int
    is_answer: bool
    questions: tuple[Question, ...] = ()
    services: tuple[Service, ...] = ()


def name_of(*labels: str) -> Name:
    """Return a name. Raise ValueError for a label that no packet can hold."""
    name = tuple(label.lower().encode("ascii") for label in labels)
    if any(not 1 <= len(label) <= LABEL_BYTES for label in name) or len(name) > LABELS_MAX:
        raise ValueError("a name has labels of 1 to 63 bytes")
    return name


def write_question(question: Question) -> bytes:
    """Return a packet that asks."""
    return _HEAD.pack(0, 0, 1, 0, 0, 0) + _question(question)


def write_answer(
    asked: Packet, service: Service, target: Name, address: bytes, seconds: int
) -> bytes:
    """Return a packet that answers with one service, and with the address of its target (IPv4).

    It repeats id and questions, as whoever asks from another port than that of DNS wants it (RFC
    6762, 6.7). `seconds`: for how long it may be remembered.
    """
    srv = _SRV.pack(0, 0, service.port) + _name(target)
    head = _HEAD.pack(asked.id, _ANSWER, len(asked.questions), 1, 0, 1)
    questions = b"".join(map(_question, asked.questions))
    return (
        head
        + questions
        + _record(service.name, Kind.SRV, seconds, srv)
        + _record(target, 1, seconds, address)
    )


def read(data: bytes) -> Packet:
    """Read a packet. Raise FrameError (law 3)."""
    if not _HEAD.size <= len(data) <= PACKET_BYTES:
        raise FrameError(f"mDNS: a packet of {len(data)} bytes")
    id_, flags, *counts = _HEAD.unpack_from(data)
    if sum(counts) > ITEMS_MAX:
        raise FrameError(f"mDNS: {sum(counts)} items, expected at most {ITEMS_MAX}")
    reader = _Reader(data, _HEAD.size)
    questions = tuple(reader.question() for _ in range(counts[0]))
    found = [reader.record() for _ in range(sum(counts[1:]))]
    services = tuple(one for one in found if one is not None)
    return Packet(id_, bool(flags & 0x8000), questions, services)


def _question(question: Question) -> bytes:
    class_ = CLASS_IN | (UNICAST if question.unicast else 0)
    return _name(question.name) + _QUESTION.pack(question.kind, class_)


def _record(name: Name, kind: int, seconds: int, data: bytes) -> bytes:
    return _name(name) + _RECORD.pack(kind, CLASS_IN, seconds, len(data)) + data


def _name(name: Name) -> bytes:
    return b"".join(bytes([len(label)]) + label for label in name) + b"\0"


class _Reader:
    """Reads on from a place in a packet."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def question(self) -> Question:
        name = self._name()
        kind, class_ = _QUESTION.unpack(self._take(_QUESTION.size))
        return Question(name, kind, bool(class_ & UNICAST))

    def record(self) -> Service | None:
        """Return the next record, None for one of another type."""
        name = self._name()
        kind, _class, _seconds, length = _RECORD.unpack(self._take(_RECORD.size))
        data = self._take(length)
        if kind != Kind.SRV or length < _SRV.size:
            return None
        port = _SRV.unpack_from(data)[2]
        return Service(name, port) if port else None

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise FrameError("mDNS: the packet ends inside an item")
        self._at += count
        return taken

    def _name(self) -> Name:
        """Read the name here, and go on behind it (law 2)."""
        labels: list[bytes] = []
        at = self._at
        behind = 0
        lowest = at
        size = 1
        while True:
            length = self._byte(at)
            if length & _POINTER == _POINTER:
                behind = behind or at + 2
                at = (length & ~_POINTER) << 8 | self._byte(at + 1)
                if at >= lowest:
                    raise FrameError("mDNS: a pointer that does not lead back")
                lowest = at
                continue
            if length > LABEL_BYTES:
                raise FrameError("mDNS: a label of a kind that is not used")
            at += 1
            if length == 0:
                self._at = behind or at
                return tuple(labels)
            label = self._data[at : at + length]
            size += 1 + length
            if len(label) < length or size > NAME_BYTES or len(labels) == LABELS_MAX:
                raise FrameError("mDNS: a name that does not end, or is too long")
            labels.append(label.lower())
            at += length

    def _byte(self, at: int) -> int:
        if at >= len(self._data):
            raise FrameError("mDNS: the packet ends inside a name")
        return self._data[at]
