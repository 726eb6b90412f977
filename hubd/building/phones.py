"""The phones: their links, and the keys that they are met with."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hubcore.access.words import HubName
from hubcore.codec.cose import Aead, SigningKey
from hubcore.phone.epochs import EpochRing
from hubcore.phone.handshake import Guests, HubSide
from hubcore.phone.sealing import BLE_GATT
from hubcore.phone.tickets import TicketTable
from hubcore.ports.radio import Radio
from hubcore.timing.budget import LINE_SECONDS, Budget
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.building.doors import points_of
from hubd.building.evidence import Evidence
from hubd.config.file import Config
from hubd.doors.unlock import Unlock
from hubd.phones.beside import Beside
from hubd.phones.epochkeys import EpochKeys
from hubd.phones.links import Links
from hubd.policy.carried import CarriedFound, CarriedIntake
from hubd.policy.proven import ProvenPolicy
from hubd.stores import Stores
from hubd.upkeep.lately.traces import Traces


@dataclass(frozen=True, slots=True)
class Phones:
    """The links of phones, and the keys that they are met with."""

    ring: EpochRing
    tickets: TicketTable
    links: Links
    epochs: EpochKeys
    carried: CarriedIntake


def make_phones(
    config: Config,
    keys: HubKeys,
    radio: Radio,
    ring: EpochRing,
    unlock: Unlock,
    policy: ProvenPolicy,
    found: CarriedFound,
    stores: Stores,
    traces: Traces,
    guests: Guests,
    beside: Beside | None,
    evidence: Evidence,
) -> Phones:
    """Make the links of phones; `ring` has the keys of this process, of an earlier session too.

    `beside` serves the phones of the second service.
    """
    tickets = TicketTable(keys.in_force.certified.expires)
    strike_seconds: dict[int, float] = {}
    for number, point in points_of(config).items():
        strike_seconds[number] = point.strike_seconds
    carried = CarriedIntake(
        found.carried,
        file=stores.revocations,
        policy_version=policy.version,
        log=evidence.log,
        clock=evidence.clock,
        tell=evidence.tell,
        tickets=tickets,
        why=found.why,
    )
    links = Links(
        side=_hub_side(config, keys, ring, tickets, guests),
        radio=radio,
        transport=BLE_GATT,
        links_max=config.protocol.links_max,
        rsa=ThreadPoolExecutor(1, "rsa"),
        present=unlock.present,
        door_state=unlock.door_state,
        strike_seconds=strike_seconds,
        refused=evidence.refusals.count,
        take_revocations=carried.take,
        tell=evidence.tell,
        traced=traces,
        clock=evidence.clock,
        beside=beside,
    )
    epochs = make_epochs(config, keys, ring)
    return Phones(ring=ring, tickets=tickets, links=links, epochs=epochs, carried=carried)


def make_epochs(config: Config, keys: HubKeys, ring: EpochRing) -> EpochKeys:
    """Make what fills the ring with keys."""
    return EpochKeys(
        ring=ring,
        identity=SigningKey(keys.identity),
        name=_name(config),
        aeads=tuple(Aead[name] for name in config.protocol.aead),
        bits=config.protocol.rsa_bits,
    )


def _name(config: Config) -> HubName:
    """The hub and its site."""
    return HubName(site=config.hub.site, hub=config.hub.id)


def _hub_side(
    config: Config, keys: HubKeys, ring: EpochRing, tickets: TicketTable, guests: Guests
) -> HubSide:
    """Return what all links share of the handshake."""
    protocol = config.protocol
    budget = Budget(
        rate=protocol.rsa_per_second,
        burst=protocol.rsa_burst,
        at_once=protocol.links_max,
        wait_seconds=LINE_SECONDS,
    )
    return HubSide(
        name=_name(config),
        identity_kid=SigningKey(keys.identity).verify_key.kid,
        certificate=keys.in_force,
        issuer=keys.issuer_key,
        epochs=ring,
        tickets=tickets,
        budget=budget,
        chance=secrets.token_bytes,
        guests=guests,
    )
