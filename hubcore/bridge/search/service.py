"""The service of a bridge in multicast DNS: what a hub asks, and what a bridge answers.

Laws:
1. A hub asks for one bridge by its name. Of an answer it takes the port alone; the address is that
   of the machine which has answered. So an answer leads nowhere but to its sender.
2. An answer proves nothing: the certificate does, as for an address of the configuration.
3. A bridge answers questions for its own name and for its kind of service, and no other.
4. What it answers is at most ANSWER_FACTOR times as long as the question and ANSWER_BYTES more.
"""

from __future__ import annotations

from hubcore.bridge.search.dns import (
    Kind,
    Name,
    Packet,
    Question,
    Service,
    name_of,
    write_answer,
    write_question,
)

GROUP = "224.0.0.251"
PORT = 5353
KIND = name_of("_hubbridge", "_tcp", "local")
LEGACY_SECONDS = 10
"""An answer to a single machine may be remembered for so long (RFC 6762, 6.7)."""
ANSWER_FACTOR = 1
ANSWER_BYTES = 200


def bridge_name(bridge: str) -> Name:
    """Return the name of a bridge's service. Raise ValueError for no name."""
    return (*name_of(bridge), *KIND)


def ask_for(bridge: str) -> bytes:
    """Return the packet by which a hub asks for a bridge."""
    return write_question(Question(bridge_name(bridge), Kind.SRV, unicast=True))


def port_in(packet: Packet, bridge: str) -> int | None:
    """Return the port that an answer names for a bridge, None when it is none for it (law 1)."""
    if not packet.is_answer:
        return None
    name = bridge_name(bridge)
    return next((one.port for one in packet.services if one.name == name), None)


def answer_to(packet: Packet, bridge: str, port: int, address: bytes) -> bytes | None:
    """Return what a bridge answers, None where nothing is asked of it (law 3)."""
    name = bridge_name(bridge)
    if packet.is_answer or not any(_is_about(one, name) for one in packet.questions):
        return None
    asked = Packet(packet.id, is_answer=False, questions=packet.questions[:1])
    target = (*name_of(f"{bridge}-hubbridge"), b"local")
    return write_answer(asked, Service(name, port), target, address, LEGACY_SECONDS)


def _is_about(question: Question, name: Name) -> bool:
    if question.name == name:
        return question.kind in (Kind.SRV, Kind.ANY)
    return question.name == KIND and question.kind in (Kind.PTR, Kind.ANY)
