"""What the local socket answers, and with which parts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping

from hubcore.access.words import HubName
from hubcore.checks import CHECK_OF_PART, CHECKS, Part
from hubcore.codec.cose import SigningKey
from hubcore.phone.tickets import TicketTable
from hubcore.ports.doors import Mover
from hubcore.ports.network import NetworkCare
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.building.devices import Devices
from hubd.building.doors import Doors
from hubd.building.evidence import Evidence
from hubd.calls.care import CareCalls
from hubd.calls.devices import DeviceCalls
from hubd.calls.doors import DoorCalls
from hubd.calls.evidence import EvidenceCalls
from hubd.calls.keys import KeyCalls
from hubd.calls.looks import LookCalls
from hubd.calls.networks import NetworkCalls
from hubd.calls.policy import PolicyCalls
from hubd.calls.radio import RadioCalls
from hubd.calls.readers import ReaderCalls
from hubd.calls.trials import TrialCalls
from hubd.config.file import Config
from hubd.evidence.sealing import ExportSealing
from hubd.networks.acts import NetworkActs
from hubd.phones.links import Links
from hubd.policy.load import PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attending import Attending
from hubd.stores import Stores
from hubd.takeover.calls import TakeoverCalls
from hubd.takeover.changing import Changing
from hubd.technician.acts import DoorActs
from hubd.technician.cardindex import CardIndex
from hubd.technician.names import DoorNames
from hubd.technician.report import DoorReport
from hubd.technician.would import WouldOpen
from hubd.trying.trials import Trials
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.denials import DenialReport
from hubd.upkeep.shown.devices import DeviceReport
from hubd.upkeep.shown.network import NetworkReport
from hubd.upkeep.shown.readers import ReaderReport
from hubd.upkeep.status import Status
from hublocal.calls import Call

OP_BYTES = 16
"""Of the id of an operation that a technician begins."""


def _new_id() -> bytes:
    return secrets.token_bytes(OP_BYTES)


def make_acts(doors: Doors, evidence: Evidence) -> DoorActs:
    """Make what a technician does to doors."""
    return DoorActs(
        release=doors.unlock.release_here,
        orders=doors.technician,
        secured=doors.keeper.secured,
        clock=evidence.clock,
        new_id=_new_id,
    )


def make_door_calls(
    config: Config,
    status: Status,
    policy: ProvenPolicy,
    doors: Doors,
    movers: Mapping[str, Mover],
    tickets: TicketTable,
    acts: DoorActs,
    evidence: Evidence,
) -> DoorCalls:
    """Make what is asked about one door, and done to it."""

    def is_up(part: Part) -> bool:
        return not evidence.problems.stands(CHECKS[CHECK_OF_PART[part]].topic)

    async def rest() -> None:
        await asyncio.sleep(0)
        await doors.unlock.at_rest()

    report = DoorReport(
        status=status,
        standing=doors.standing,
        carried=doors.carried,
        watch=doors.watch,
        movers=movers,
        decisions=doors.decisions,
        why_shut=doors.unlock.why_shut,
        is_up=is_up,
    )
    would = WouldOpen(
        zone=config.hub.time_zone,
        judge=doors.unlock,
        policy=policy,
        grants_of=tickets.grants_of,
        denials=doors.denials,
        cards_of=CardIndex(policy, evidence.clock, rest=rest).find,
        clock=evidence.clock,
        new_id=_new_id,
    )
    return DoorCalls(DoorNames(config.doors), acts, report, would)


def make_network_acts(care: NetworkCare | None, evidence: Evidence) -> NetworkActs | None:
    """Make what a technician does with the Z-Wave network; None for a hub without one."""
    if care is None:
        return None
    return NetworkActs(care, log=evidence.log, clock=evidence.clock, tell=evidence.tell)


def make_calls(
    config: Config,
    keys: HubKeys,
    stores: Stores,
    evidence: Evidence,
    status: Status,
    time: ClockCare,
    policy: ProvenPolicy,
    loads: PolicyLoads,
    doors: Doors,
    readers: Attending | None,
    devices: Devices,
    links: Links,
    trials: Trials,
    of_doors: DoorCalls,
    care: NetworkCare | None,
    network_acts: NetworkActs | None,
    changing: Changing,
    of_keys: KeyCalls,
) -> tuple[Call, ...]:
    """Make every call: a line a file of `hubd.calls`."""
    unlock = doors.unlock
    denials = DenialReport(config, doors.denials, unlock.why_denied, unlock.hours_begin)
    return (
        *LookCalls(status, denials).table(),
        *CareCalls(evidence.clock, time, policy, doors.passback).table(),
        *PolicyCalls(loads, policy, stores.policy_contents, evidence.clock).table(),
        *DeviceCalls(DeviceReport(status.devices, devices.supervisor, evidence.clock)).table(),
        *NetworkCalls(network_acts, NetworkReport(config, care)).table(),
        *ReaderCalls(readers, ReaderReport(config, readers)).table(),
        *TrialCalls(trials).table(),
        *of_doors.table(),
        *RadioCalls(links, doors.traces, evidence.problems, config.doors_of_points()).table(),
        *of_keys.table(),
        *TakeoverCalls(changing).table(),
        *EvidenceCalls(_make_sealing(config, keys, evidence), evidence.clock).table(),
    )


def _make_sealing(config: Config, keys: HubKeys, evidence: Evidence) -> ExportSealing:
    return ExportSealing(
        log=evidence.log,
        name=HubName(config.hub.site, config.hub.id),
        key=SigningKey(keys.identity),
        certificate=lambda: keys.in_force.document,
        clock=evidence.clock,
        tell=evidence.tell,
    )
