"""What `hubctl zwave` shows: the network, its nodes, and what each is in the configuration.

Law: it only reads, waits for nothing, and names no person and no key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hubcore.checks import CHECK_OF_FAULT, CHECK_OF_LOCK_FAULT, Problem
from hubcore.device.state import DeviceFault
from hubcore.errors import HardwareError
from hubcore.ports.network import NetworkCare, NodeInfo, NodeSecurity, NodeState, Version
from hubd.config.devices import OpenZwaveNode, ZwaveNode
from hubd.config.file import Config
from hubd.config.movers import OpenZwaveLock, ZwaveLock

Document = Mapping[str, object]
LOCK = "lock"
BATTERY_LOW = 15
"""Per cent, as a device's fault has it."""


@dataclass(frozen=True, slots=True)
class NetworkReport:
    """`care` is None for a hub without a Z-Wave network behind zwave-js."""

    config: Config
    care: NetworkCare | None

    def document(self) -> Document:
        """Return all networks of the hub; null for one that it has not."""
        return {
            "zwave": None if self.care is None else self._zwave(self.care),
            "openzwave": self._openzwave(),
        }

    def configured(self, node: int) -> list[Document]:
        """Return what hubd.toml says of a node."""
        found: list[Document] = []
        for device in self.config.devices:
            if isinstance(device, ZwaveNode) and device.node == node:
                found.append(_part(device.id, device.name, None, device.capability))
        for door, lock in self.config.door_locks:
            if isinstance(lock, ZwaveLock) and lock.node == node:
                found.append(_part(lock.id, door.name, door.id, LOCK))
        return found

    def _zwave(self, care: NetworkCare) -> Document:
        info = care.info()
        nodes: list[NodeInfo] | None
        try:
            nodes = sorted(care.nodes(), key=lambda one: one.node)
        except HardwareError:
            nodes = None
        fault = info.fault
        if fault is None and nodes is None:
            fault = DeviceFault.SERVICE_GONE
        section = self.config.zwave
        return {
            "fault": None if fault is None else _fault(fault, "the whole network", is_lock=False),
            "socket": None if section is None else str(section.socket),
            "stick": None if section is None else section.stick,
            "home_id": None if info.home_id is None else f"{info.home_id & 0xFFFFFFFF:08x}",
            "own_node": info.own_node,
            "driver_version": _dotted(info.driver),
            "server_version": _dotted(info.server),
            "tested_driver_version": _dotted(info.tested_driver),
            "tested_server_version": _dotted(info.tested_server),
            "is_tested_pair": _is_tested(
                (info.driver, info.server), info.tested_driver, info.tested_server
            ),
            "nodes": None if nodes is None else [self._node(one) for one in nodes],
            "missing": None if nodes is None else self._missing({one.node for one in nodes}),
        }

    def _node(self, node: NodeInfo) -> Document:
        devices = self.configured(node.node)
        is_lock = any(one["capability"] == LOCK for one in devices)
        shown = ", ".join(str(one["id"]) for one in devices) or f"node {node.node}"
        return {
            "node": node.node,
            "devices": devices,
            "state": node.state.value,
            "ready": node.ready,
            "security": node.security.value,
            "is_lock": node.is_lock,
            "last_seen": node.last_seen,
            "battery": node.battery,
            "maker": node.maker,
            "product_type": node.product_type,
            "product": node.product,
            "faults": [_fault(one, shown, is_lock=is_lock) for one in _faults(node, is_lock)],
        }

    def _missing(self, known: set[int]) -> list[Document]:
        numbers = {one.node for one in self.config.devices if isinstance(one, ZwaveNode)}
        numbers |= {lock.node for _, lock in self.config.door_locks if isinstance(lock, ZwaveLock)}
        return [
            {"node": number, "devices": self.configured(number)}
            for number in sorted(numbers - known)
        ]

    def _openzwave(self) -> Document | None:
        section = self.config.openzwave
        if section is None:
            return None
        devices = [
            {**_part(one.id, one.name, None, one.capability), "node": one.node}
            for one in self.config.devices
            if isinstance(one, OpenZwaveNode)
        ]
        devices += [
            {**_part(lock.id, door.name, door.id, LOCK), "node": lock.node}
            for door, lock in self.config.door_locks
            if isinstance(lock, OpenZwaveLock)
        ]
        return {"port": section.port, "devices": devices}


def _part(id_: str, name: str, door: str | None, capability: str) -> Document:
    return {"id": id_, "name": name, "door": door, "capability": capability}


def _faults(node: NodeInfo, is_lock: bool) -> list[DeviceFault]:
    found: list[DeviceFault] = []
    if node.state is NodeState.DEAD:
        found.append(DeviceFault.DEAD)
    if is_lock and node.ready and node.security is not NodeSecurity.S2_ACCESS_CONTROL:
        found.append(DeviceFault.NOT_SECURE)
    if node.battery is not None and node.battery <= BATTERY_LOW:
        found.append(DeviceFault.BATTERY_LOW)
    return found


def _fault(fault: DeviceFault, whose: str, *, is_lock: bool) -> Document:
    checks = CHECK_OF_LOCK_FAULT if is_lock else CHECK_OF_FAULT
    problem = Problem(checks[fault], {"devices": whose})
    return {"fault": fault.value, "what": problem.what, "remedy": problem.remedy}


def _dotted(version: Version | None) -> str | None:
    return None if version is None else ".".join(map(str, version))


def _is_tested(
    runs: tuple[Version | None, Version | None], driver: Version, server: Version
) -> bool | None:
    return None if None in runs else runs == (driver, server)
