"""The readers beside the phones."""

from __future__ import annotations

from functools import partial

from hubcore.access.words import Denial
from hubcore.evidence.facts import Detail
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.building.doors import Doors
from hubd.building.evidence import REMEMBERED_RECORDS, Evidence
from hubd.config.file import Config
from hubd.doors.decisionlog import OnDenied
from hubd.doors.operation import Operation
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attendant import Attendant
from hubd.readers.attending import Attending
from hubd.readers.cards import Cards
from hubd.readers.faults import ReaderFaults
from hubd.wiring.parts import Parts


def make_readers(
    config: Config,
    keys: HubKeys,
    parts: Parts,
    policy: ProvenPolicy,
    doors: Doors,
    evidence: Evidence,
) -> Attending | None:
    """Return what attends to the readers; None for a hub without any."""
    if keys.readers is None:
        return None
    cards = Cards(
        keys.readers.card_key,
        policy=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        on_denied=_take_denials(doors),
    )
    end = evidence.log.last() + 1
    cards.remember(evidence.log.newest(end, REMEMBERED_RECORDS))
    attendants: dict[str, Attendant] = {}
    for reader in config.readers:
        attendants[reader.id] = Attendant(
            reader.id,
            reader.access_point,
            cards=cards,
            ask=doors.unlock.why_denied,
            present=doors.unlock.present,
            show=partial(parts.readers[reader.id].show, reader.id),
            clock=evidence.clock,
            tell=evidence.tell,
        )
    faults = ReaderFaults(
        attendants,
        problems=evidence.problems,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
    )
    return Attending(
        drivers=parts.readers,
        on_card=doors.measured.card,
        attendants=attendants,
        faults=faults,
        log=evidence.log,
        clock=evidence.clock,
        tell=evidence.tell,
    )


def _take_denials(doors: Doors) -> OnDenied:
    """Return what takes the denials of cards that never become a claim."""

    def take(operation: Operation, why: Denial, facts: Detail) -> None:
        doors.denials.note(operation, why, facts)
        doors.measured.card_refused(operation, why, facts)

    return take
