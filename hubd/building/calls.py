"""What the local socket answers, and with which parts."""

from __future__ import annotations

from hubd.adapters.local.calls import Call
from hubd.building.devices import Devices
from hubd.building.doors import Doors
from hubd.building.evidence import Evidence
from hubd.calls.care import CareCalls
from hubd.calls.devices import DeviceCalls
from hubd.calls.looks import LookCalls
from hubd.calls.policy import PolicyCalls
from hubd.calls.readers import ReaderCalls
from hubd.config.file import Config
from hubd.policy.load import PolicyLoads
from hubd.policy.proven import ProvenPolicy
from hubd.readers.attending import Attending
from hubd.stores import Stores
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.denials import DenialReport
from hubd.upkeep.shown.devices import DeviceReport
from hubd.upkeep.shown.readers import ReaderReport
from hubd.upkeep.status import Status


def make_calls(
    config: Config,
    stores: Stores,
    evidence: Evidence,
    status: Status,
    time: ClockCare,
    policy: ProvenPolicy,
    loads: PolicyLoads,
    doors: Doors,
    readers: Attending | None,
    devices: Devices,
) -> tuple[Call, ...]:
    """Make every call: a line a file of `hubd.calls`."""
    unlock = doors.unlock
    denials = DenialReport(config, doors.denials, unlock.why_denied, unlock.hours_begin)
    return (
        *LookCalls(status, denials).table(),
        *CareCalls(evidence.clock, time, policy, doors.passback).table(),
        *PolicyCalls(loads, policy, stores.policy_contents, evidence.clock).table(),
        *DeviceCalls(DeviceReport(status.devices, devices.supervisor, evidence.clock)).table(),
        *ReaderCalls(readers, ReaderReport(config, readers)).table(),
    )
