"""The devices: who commands them, what they say, and what is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass

from hubcore.device.breaker import BreakerRule
from hubcore.device.telemetry import TelemetryTable
from hubd.building.evidence import REMEMBERED_RECORDS, Evidence
from hubd.config.file import Config
from hubd.devices.commands import RemoteCommands
from hubd.devices.supervisor import Supervisor
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.devicefaults import DeviceFaults
from hubd.wiring.parts import Parts


@dataclass(frozen=True, slots=True)
class Devices:
    """The devices, who commands them, what they say, and what is wrong with them."""

    supervisor: Supervisor
    commands: RemoteCommands
    telemetry: TelemetryTable
    faults: DeviceFaults


def make_devices(config: Config, parts: Parts, policy: ProvenPolicy, evidence: Evidence) -> Devices:
    """Make the devices, with what was asked before.

    A lock of a door is supervised as they are. It is not commanded from afar: its door is.
    """
    faults = DeviceFaults(
        problems=evidence.problems,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
        count=evidence.health.count,
        names=_names(config),
        locks={lock.id for _, lock in config.door_locks},
    )
    telemetry = TelemetryTable()
    supervisor = Supervisor(
        devices=parts.devices,
        clock=evidence.clock,
        tell_fault=faults,
        breaker=BreakerRule(),
        telemetry=telemetry,
        network=parts.network,
    )
    commands = RemoteCommands(
        devices={device.id: parts.devices[device.id][0] for device in config.devices},
        performer=supervisor,
        rights=policy,
        log=evidence.paced,
        clock=evidence.clock,
        tell=evidence.tell,
    )
    end = evidence.log.last() + 1
    commands.remember(evidence.log.newest(end, REMEMBERED_RECORDS))
    return Devices(supervisor, commands, telemetry, faults)


def _names(config: Config) -> dict[str, str]:
    """Return what people call each device; a lock has the name of its door."""
    names = {device.id: device.name for device in config.devices}
    for door, lock in config.door_locks:
        names[lock.id] = f"lock of {door.name}"
    return names
