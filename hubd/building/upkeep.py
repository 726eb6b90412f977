"""What shows how the hub is, and looks after it."""

from __future__ import annotations

import asyncio

from hubcore.phone.epochs import EpochRing
from hubcore.version import __version__
from hubd.adapters.host import kerneltime
from hubd.adapters.host.clock import set_by_timesyncd
from hubd.adapters.keys.keyfiles import HubKeys
from hubd.backend.heard import LastHeard
from hubd.backend.sync import Sync
from hubd.bridge.way import BridgeWay
from hubd.building.devices import Devices
from hubd.building.doors import Doors
from hubd.building.evidence import Evidence
from hubd.building.phones import Phones
from hubd.building.topics import judged
from hubd.config.file import Config
from hubd.policy.proven import ProvenPolicy
from hubd.upkeep.clockcare import ClockCare, backend_agrees
from hubd.upkeep.selfcheck import SelfCheck
from hubd.upkeep.status import Status


def make_clock_care(sync: Sync | None, evidence: Evidence) -> ClockCare:
    """Make what decides whether the clock is trusted."""
    return ClockCare(
        log=evidence.log,
        floor=evidence.floor,
        clock=evidence.clock,
        tell=evidence.tell,
        backend_agrees=lambda: backend_agrees(sync),
        time_service=set_by_timesyncd,
        kernel_time=kerneltime.look,
        contradiction=evidence.contradiction,
    )


def make_status(
    config: Config,
    keys: HubKeys,
    policy: ProvenPolicy,
    doors: Doors,
    devices: Devices,
    phones: Phones,
    sync: Sync | None,
    way: BridgeWay | None,
    time: ClockCare,
    evidence: Evidence,
) -> Status:
    """Make what is shown of the hub."""
    return Status(
        config=config,
        certificate=keys.in_force,
        version=__version__,
        topics=judged(config),
        health=evidence.health,
        measured=doors.measured,
        clock=evidence.clock,
        time=time,
        log=evidence.log,
        policy=policy,
        watch=doors.watch,
        standing=doors.standing,
        supervisor=devices.supervisor,
        sync=sync,
        way=way,
        records_room=evidence.disk.records,
        telemetry=devices.telemetry if config.devices or config.door_locks else None,
        link_count=phones.links.connected,
        has_epoch_key=lambda: phones.ring.current is not None,
        task_count=lambda: len(asyncio.all_tasks()),
    )


def make_self_check(
    config: Config,
    keys: HubKeys,
    ring: EpochRing,
    sync: Sync | None,
    way: BridgeWay | None,
    time: ClockCare,
    heard: LastHeard,
    evidence: Evidence,
) -> SelfCheck:
    """Make what looks at the hub again and again."""
    backend_key = config.keys.backend_public
    tls_certificate = config.keys.tls_certificate
    return SelfCheck(
        problems=evidence.problems,
        clock=evidence.clock,
        clock_care=time,
        epochs=ring,
        sync=sync,
        way=way,
        certificate=keys.in_force,
        certificate_file=config.keys.certificate.place,
        backend_key_file=backend_key.place if backend_key else "",
        tls=keys.tls,
        tls_file=tls_certificate.place if tls_certificate else "",
        offline_seconds=heard.seconds,
        offline_budgets={
            door.id: door.offline_seconds_max
            for door in config.doors
            if door.offline_seconds_max is not None
        },
    )
