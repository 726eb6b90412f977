"""What `hubctl status` and `hubctl doors` show: one document, put together from those who know.

Law: it only reads, waits for nothing, and names no person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from hubcore.access.precedence import DoorOrder, mode_of
from hubcore.checks import AREA_OF, CHECKS, Topic
from hubcore.device.state import Quantity
from hubcore.device.telemetry import TelemetryTable
from hubcore.phone.certificates import CertificateInForce
from hubcore.ports.clock import Clock
from hubcore.ports.stores import AuditLog, PolicyStore, RecordsRoom
from hubd.backend.sync import Sync
from hubd.bridge.way import BridgeWay
from hubd.config.doors import AccessPoint, Door
from hubd.config.file import Config
from hubd.config.movers import ON_POWER_LOSS, DoorLock, Mover
from hubd.config.section import kind_of
from hubd.devices.supervisor import Supervisor
from hubd.doors.watch import DoorWatch
from hubd.orders.standing import ShownOrder, StandingOrders
from hubd.upkeep.clockcare import ClockCare
from hubd.upkeep.health import Health
from hubd.upkeep.measured import Measured

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Who knows what."""

    config: Config
    certificate: CertificateInForce
    version: str
    topics: frozenset[Topic]
    """Those that this hub judges (`hubd.building.topics`)."""
    health: Health
    measured: Measured
    clock: Clock
    time: ClockCare
    log: AuditLog
    policy: PolicyStore
    watch: DoorWatch
    standing: StandingOrders
    supervisor: Supervisor
    sync: Sync | None
    way: BridgeWay | None
    records_room: Callable[[], RecordsRoom]
    telemetry: TelemetryTable | None
    """None for a hub without devices."""
    link_count: Callable[[], int]
    """Of the radio."""
    has_epoch_key: Callable[[], bool]
    task_count: Callable[[], int]
    """Of the daemon."""

    def whole(self) -> Document:
        """Return the whole document."""
        uplink = None if self.sync is None else self.sync.state
        return {
            "hub": self.config.hub.id,
            "site": self.config.hub.site,
            "zone": self.config.hub.time_zone,
            "certificate": self._certificate(),
            "version": self.version,
            **self.health.snapshot(),
            "radio": self._radio(),
            "backend": None if uplink is None else asdict(uplink),
            "bridge": None if self.way is None else asdict(self.way.state),
            "policy_version": self.policy.version(),
            "records": self._records(None if uplink is None else uplink.unacknowledged_seconds),
            "telemetry": self._telemetry(),
            "doors": self.doors(),
            "devices": self.devices(),
            "clock": self._clock(),
            "tasks": self.task_count(),
        }

    def doors(self) -> list[Document]:
        """Return the doors alone."""
        return [self.door(door) for door in self.config.doors]

    def checks(self) -> list[Document]:
        """Return each topic that this hub judges, and what stands under it."""
        standing = {problem["id"]: problem for problem in self.health.shown_problems()}
        areas = {row.topic: AREA_OF[row.class_] for row in CHECKS.values()}
        return [
            standing.get(str(topic), {"id": str(topic), "area": str(areas[topic])})
            for topic in Topic
            if topic in self.topics or str(topic) in standing
        ]

    def devices(self) -> list[Document]:
        """Return the devices alone, and after them the locks of doors, by their doors' names."""
        shown = [
            self._device(device.id, device.name, kind_of(device)) for device in self.config.devices
        ]
        for door, lock in self.config.door_locks:
            shown.append({**self._device(lock.id, door.name, kind_of(lock)), "door": door.id})
        return shown

    def _records(self, oldest_seconds: float | None) -> Document:
        """Return what the evidence takes; alarms are not counted apart: one may be a silent one."""
        room = self.records_room()
        return {
            "last": self.log.last(),
            "waiting": self.log.waiting(),
            "oldest_seconds": None if oldest_seconds is None else round(oldest_seconds, 1),
            "budget_bytes": room.budget_bytes,
            "used_bytes": room.used_bytes,
            "held_bytes": room.held_bytes,
            "gone": room.gone,
        }

    def _telemetry(self) -> Document | None:
        table = self.telemetry
        return None if table is None else {"waiting": len(table), "dropped": table.dropped}

    def _clock(self) -> Document:
        kernel = self.time.kernel_time()
        return {
            "state": self.clock.state().value,
            "wall": self.clock.wall(),
            "synchronised": None if kernel is None else kernel.synchronised,
            "error_seconds_max": None if kernel is None else kernel.error_seconds_max,
        }

    def _certificate(self) -> Document:
        certified = self.certificate.certified
        return {
            "begins": certified.not_before,
            "expires": certified.expires,
            "key": certified.key.kid.hex(),
            "access_points": list(certified.access_points),
        }

    def _radio(self) -> Document:
        topics = {problem.id for problem in self.health.problems()}
        return {
            "on_air": Topic.RADIO not in topics,
            "links": self.link_count(),
            "epoch_key": self.has_epoch_key(),
        }

    def door(self, door: Door) -> Document:
        """Return one door."""
        orders = self.standing.shown(door.id)
        standing = [one.order for one in orders]
        if self.watch.is_released(door.id):
            standing.append(DoorOrder.GRANT)
        aspects = self.watch.aspects(door.id)
        return {
            "id": door.id,
            "name": door.name,
            "state": self.watch.state(door.id).name.lower(),
            "in_cycle": self.watch.is_in_cycle(door.id),
            "mode": mode_of(standing).value,
            "orders": [_order(one) for one in orders],
            "position": aspects.position.value,
            "bolt": aspects.bolt.value,
            "alarm": aspects.alarm.value,
            "tamper": aspects.tamper,
            "fault": aspects.fault,
            "may_be_held": door.may_be_held,
            "movers": self.movers(door),
            "watched": door.dps is not None,
            "access_points": [self._access_point(point) for point in door.access_points],
        }

    def movers(self, door: Door) -> list[Document]:
        """Return what moves a door."""
        return [self._mover(mover) for mover in door.moved_by]

    def _access_point(self, point: AccessPoint) -> Document:
        return {
            "number": point.number,
            "name": point.name,
            "fresh": point.fresh,
            "mode": self.policy.mode(point.number).name.lower(),
        }

    def _mover(self, mover: Mover) -> Document:
        shown: dict[str, object] = {
            "id": mover.id,
            "kind": kind_of(mover),
            "on_power_loss": ON_POWER_LOSS[type(mover)],
        }
        if isinstance(mover, DoorLock):
            battery = self.supervisor.readings(mover.id).get(Quantity.BATTERY)
            shown["battery"] = battery
            shown["faults"] = sorted(self.supervisor.faults(mover.id))
            shown["answers"] = self.supervisor.answers(mover.id)
        return shown

    def _device(self, device: str, name: str, kind: str) -> Document:
        state = self.supervisor.state(device)
        age_seconds = self.clock.monotonic() - state.at if state.at else None
        readings = self.supervisor.readings(device)
        return {
            "id": device,
            "name": name,
            "kind": kind,
            "position": state.position.value,
            "level": state.level,
            "age_seconds": None if age_seconds is None else round(age_seconds, 1),
            "answers": self.supervisor.answers(device),
            "faults": sorted(self.supervisor.faults(device)),
            "readings": {
                quantity.name.lower(): value for quantity, value in sorted(readings.items())
            },
        }


def _order(one: ShownOrder) -> Document:
    return {
        "order": one.order.name.lower(),
        "source": one.source,
        "until": one.until,
    }
