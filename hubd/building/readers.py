"""The readers beside the site's own phones: on a wire, and for phones that others make."""

from __future__ import annotations

from functools import partial

from hubcore.access.words import Denial
from hubcore.evidence.facts import Detail
from hubcore.pkoc.reader import ReaderSide
from hubcore.ports.radio import Radio
from hubcore.timing.budget import Budget
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.building.doors import Doors
from hubd.building.evidence import REMEMBERED_RECORDS, Evidence
from hubd.config.file import Config
from hubd.config.radio import PKOC_READER
from hubd.doors.decisionlog import OnDenied
from hubd.doors.operation import Operation
from hubd.phones.dropping import Dropper
from hubd.pkoc.phones import PkocPhones
from hubd.pkoc.rights import KeyRights
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attendant import Attendant
from hubd.readers.attending import Attending
from hubd.readers.cards import Cards
from hubd.readers.faults import ReaderFaults
from hubd.wiring.parts import Parts

PROOFS_A_SECOND = 8.0
"""More than visits that strangers can begin over one radio; each is 0.3 ms of work."""
PROOFS_AT_ONCE = 16.0
SHARE = 2
"""Of the places of the radio's links PKOC phones may take one in so many."""


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


def make_pkoc(
    config: Config,
    keys: HubKeys,
    radio: Radio,
    policy: ProvenPolicy,
    doors: Doors,
    evidence: Evidence,
) -> PkocPhones | None:
    """Return what serves PKOC phones; None where it is off."""
    section = config.pkoc
    own = keys.pkoc
    if section is None or own is None:
        return None
    places = config.protocol.links_max // SHARE
    rights = KeyRights(
        PKOC_READER,
        section.access_point,
        own.card_key,
        policy=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        present=doors.unlock.present,
        on_denied=_take_denials(doors),
    )
    side = ReaderSide(
        location=section.location.bytes,
        site=section.site.bytes,
        signing=own.signing,
        certificate=own.certificate,
        budget=Budget(rate=PROOFS_A_SECOND, burst=PROOFS_AT_ONCE, at_once=places),
    )
    return PkocPhones(
        side=side,
        radio=radio,
        places=places,
        decide=rights.decide,
        dropper=Dropper(radio, evidence.tell),
        refused=evidence.refusals.count,
        tell=evidence.tell,
        clock=evidence.clock,
    )


def _take_denials(doors: Doors) -> OnDenied:
    """Return what takes the denials of cards that never become a claim."""

    def take(operation: Operation, why: Denial, facts: Detail) -> None:
        doors.denials.note(operation, why, facts)
        doors.measured.card_refused(operation, why, facts)

    return take
