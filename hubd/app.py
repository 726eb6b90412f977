"""The composition root: the one place that knows both the use cases and the world.

`build` makes the parts once and joins them. Each subject is made in its file of `hubd/building/`.
What only one part needs, that part makes for itself.
A hub and a desk are built alike: they differ in the `Parts` that they hand in. `hubd.serve` runs
what is built here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.checks import Part
from hubcore.evidence.timefloor import TimeFloor
from hubcore.phone.epochs import EpochRing
from hubcore.ports.clock import Clock
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.local.api import HUBD, LocalApi
from hubd.adapters.local.teller import Teller
from hubd.backend.heard import LastHeard, unheard_seconds
from hubd.backend.orders import Orders
from hubd.backend.sync import Sync
from hubd.bridge.way import BridgeWay
from hubd.building.backend import (
    make_certificate_takers,
    make_policy_intake,
    make_sync,
)
from hubd.building.bridge import make_bridge_way
from hubd.building.calls import make_acts, make_calls, make_door_calls, make_network_acts
from hubd.building.devices import Devices, make_devices
from hubd.building.doors import make_doors
from hubd.building.evidence import find_revocations, make_evidence, make_policy
from hubd.building.keys import make_key_calls
from hubd.building.phones import make_phones
from hubd.building.readers import make_pkoc, make_readers
from hubd.building.trials import make_trials
from hubd.building.upkeep import make_clock_care, make_self_check, make_status
from hubd.config.file import Config
from hubd.doors.unlock import Unlock
from hubd.doors.watch import DoorWatch
from hubd.evidence.refusals import Refusals
from hubd.evidence.reporting import ReportingLog
from hubd.networks.acts import NetworkActs
from hubd.orders.carried import CarriedOrders
from hubd.orders.from_backend import BackendOrders
from hubd.orders.keeper import DoorKeeper
from hubd.orders.site.taker import OrdersOfSite
from hubd.orders.standing import StandingOrders
from hubd.phones.epochkeys import EpochKeys
from hubd.phones.links import Links
from hubd.policy.carried import CarriedIntake
from hubd.policy.load import PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attending import Attending
from hubd.stores import Stores
from hubd.takeover.changing import Changing
from hubd.technician.acts import DoorActs
from hubd.upkeep.diskwatch import DiskWatch
from hubd.upkeep.health import Health
from hubd.upkeep.lately.traces import Traces
from hubd.upkeep.selfcheck import SelfCheck
from hubd.upkeep.standing import StandingProblems
from hubd.wiring.handed.belongings import Handed
from hubd.wiring.handed.kinds import HandedSockets, HandedTickets
from hubd.wiring.parts import MakeParts, Parts, RunPart
from hublocal.roles import roles_of_this_machine


@dataclass(frozen=True, slots=True)
class Hub:
    """What `hubd.serve` runs."""

    parts: Parts
    runs: Mapping[Part, RunPart]
    """What must run for the parts and the movers, by name."""
    clock: Clock
    floor: TimeFloor
    log: ReportingLog
    tell: Teller
    health: Health
    problems: StandingProblems
    self_check: SelfCheck
    disk: DiskWatch
    refusals: Refusals
    policy: ProvenPolicy
    carried: CarriedIntake
    loads: PolicyLoads
    doors: DoorWatch
    keeper: DoorKeeper
    orders: BackendOrders
    carried_orders: CarriedOrders
    site_orders: OrdersOfSite
    acts: DoorActs
    devices: Devices
    links: Links
    traces: Traces
    epochs: EpochKeys
    readers: Attending | None
    network_acts: NetworkActs | None
    sync: Sync | None
    way: BridgeWay | None
    unlock: Unlock
    standing: StandingOrders
    handed: tuple[Handed, ...]
    """What of the hub can change hands."""
    api: LocalApi


def build(
    config: Config,
    keys: HubKeys,
    stores: Stores,
    make_parts: MakeParts,
    ring: EpochRing,
    changing: Changing,
) -> Hub:
    """Make every object once, and join them; `ring` and `changing` are the process's own."""
    evidence = make_evidence(config, keys, stores)
    parts = make_parts(config, keys, evidence.problems.part)
    found = find_revocations(config, keys, stores)
    policy = make_policy(stores, found.carried, evidence)
    heard = LastHeard(evidence.clock, unheard_seconds(evidence.log, evidence.clock))
    devices = make_devices(config, parts, policy, evidence)
    movers = parts.make_movers(devices.supervisor)
    doors = make_doors(
        config, keys, movers.doors, policy, stores, heard, devices.commands, evidence
    )
    phones = make_phones(
        config,
        keys,
        parts.radio,
        ring,
        doors.unlock,
        policy,
        found,
        stores,
        doors.traces,
        doors.site_in_force.guest_keys,
        make_pkoc(config, keys, parts.radio, policy, doors, evidence),
        evidence,
    )
    readers = make_readers(config, keys, parts, policy, doors, evidence)
    intake = make_policy_intake(
        config, keys, policy, doors.unlock, phones.tickets, phones.carried, evidence
    )
    loads = PolicyLoads(intake.accept, evidence.tell)
    takers = make_certificate_takers(config, keys, phones.tickets, evidence)
    sync = None
    if parts.uplink is not None:
        orders = Orders(
            release=doors.unlock.release,
            accept_policy=intake.accept,
            policy_version=policy.version,
            policy_digest=policy.digest,
            stand=doors.orders.take,
            act=devices.commands.act,
            take_certificate=takers.take,
            take_tls_certificate=takers.take_tls,
        )
        sync = make_sync(
            config=config,
            keys=keys,
            uplink=parts.uplink,
            key_pairs=parts.key_pairs,
            orders=orders,
            unlock=doors.unlock,
            devices=devices,
            heard=heard,
            evidence=evidence,
        )
    way = make_bridge_way(
        config, keys, parts.bridge, stores, policy, intake, doors, evidence, takers
    )
    if sync is not None and way is not None:
        sync.carries(way.take_from_backend)
    time = make_clock_care(sync, evidence)
    status = make_status(config, keys, policy, doors, devices, phones, sync, way, time, evidence)
    acts = make_acts(doors, evidence)
    of_doors = make_door_calls(
        config, status, policy, doors, movers.doors, phones.tickets, acts, evidence
    )
    care = None if parts.network is None else parts.network.care
    network_acts = make_network_acts(care, evidence)
    calls = make_calls(
        config=config,
        keys=keys,
        stores=stores,
        evidence=evidence,
        status=status,
        time=time,
        policy=policy,
        loads=loads,
        doors=doors,
        readers=readers,
        devices=devices,
        links=phones.links,
        trials=make_trials(config, parts, devices, readers, sync, evidence),
        of_doors=of_doors,
        care=care,
        network_acts=network_acts,
        changing=changing,
        of_keys=make_key_calls(config, keys, phones, sync, evidence),
    )
    api = LocalApi(config.api.socket, calls, evidence.tail, roles=roles_of_this_machine(HUBD))
    tickets = HandedTickets(phones.tickets)
    return Hub(
        parts=parts,
        runs={**parts.runs, **movers.runs},
        clock=evidence.clock,
        floor=evidence.floor,
        log=evidence.log,
        tell=evidence.tell,
        health=evidence.health,
        problems=evidence.problems,
        self_check=make_self_check(config, keys, phones.ring, sync, way, time, heard, evidence),
        disk=evidence.disk,
        refusals=evidence.refusals,
        policy=policy,
        carried=phones.carried,
        loads=loads,
        doors=doors.watch,
        keeper=doors.keeper,
        orders=doors.orders,
        carried_orders=doors.carried,
        site_orders=doors.site,
        acts=acts,
        devices=devices,
        links=phones.links,
        traces=doors.traces,
        epochs=phones.epochs,
        readers=readers,
        network_acts=network_acts,
        sync=sync,
        way=way,
        unlock=doors.unlock,
        standing=doors.standing,
        handed=(*parts.handed, *movers.handed, tickets, HandedSockets(api)),
        api=api,
    )
