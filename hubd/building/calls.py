"""What the local socket answers, and with which parts."""

from __future__ import annotations

from hubcore.access.words import HubName
from hubcore.codec.cose import SigningKey
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.adapters.local.calls import Call
from hubd.building.doors import Doors
from hubd.building.evidence import Evidence
from hubd.calls.care import CareCalls
from hubd.calls.evidence import EvidenceCalls
from hubd.calls.looks import LookCalls
from hubd.calls.policy import PolicyCalls
from hubd.calls.radio import RadioCalls
from hubd.calls.readers import ReaderCalls
from hubd.config.file import Config
from hubd.evidence.sealing import ExportSealing
from hubd.phones.links import Links
from hubd.policy.load import PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attending import Attending
from hubd.stores import Stores
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.denials import DenialReport
from hubd.upkeep.status import Status


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
    links: Links,
) -> tuple[Call, ...]:
    """Make every call: a line a file of `hubd.calls`."""
    unlock = doors.unlock
    denials = DenialReport(config, doors.denials, unlock.why_denied, unlock.hours_begin)
    return (
        *LookCalls(status, denials).table(),
        *CareCalls(evidence.clock, time, policy, doors.passback).table(),
        *PolicyCalls(loads, policy, stores.policy_contents, evidence.clock).table(),
        *ReaderCalls(readers).table(),
        *RadioCalls(links, doors.traces, evidence.problems, config.doors_of_points()).table(),
        *EvidenceCalls(_make_sealing(config, keys, evidence)).table(),
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
