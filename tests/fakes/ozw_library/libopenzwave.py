"""A stand-in for python-openzwave's binding, loaded by the real OpenZWave process in tests.

It is not the real library, and proves nothing about it: `make openzwave` does. Its network is the
JSON file that the stick's path leads to (tests/fakes/openzwave.py). It says things in a thread of
its own, as the real one does, and can abort, hang, lie and say what nobody knows.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from typing import Any

CLASSES = {
    "switch": [("COMMAND_CLASS_SWITCH_BINARY", 0)],
    "cover": [("COMMAND_CLASS_SWITCH_MULTILEVEL", 0), ("COMMAND_CLASS_SWITCH_MULTILEVEL", 2)],
    "lock": [("COMMAND_CLASS_DOOR_LOCK", 0), ("COMMAND_CLASS_DOOR_LOCK", 1)],
    "sensor": [("COMMAND_CLASS_SENSOR_MULTILEVEL", 1), ("COMMAND_CLASS_BATTERY", 0)],
}
MODES = {255: "Secured", 0: "Unsecure"}
HOME = 0xC0FFEE01
ALARM = ("COMMAND_CLASS_ALARM", 6)


class PyOptions:
    """Takes options and does nothing with them."""

    def __init__(self, config_path: str, user_path: str, cmd_line: str) -> None:
        if not os.path.isdir(user_path):
            raise OSError(f"no folder {user_path}")

    def addOptionInt(self, name: str, value: int) -> None: ...

    def addOptionString(self, name: str, value: str, append: bool) -> None: ...

    def lock(self) -> None: ...


class PyManager:
    """The nodes of the file, by the methods that hubd uses."""

    def create(self) -> None:
        self._watch: Callable[[dict[str, Any]], None]
        self._values: dict[int, tuple[int, str, int]] = {}

    def addWatcher(self, watch: Callable[[dict[str, Any]], None]) -> None:
        self._watch = watch

    def addDriver(self, port: str) -> None:
        self._port = port
        threading.Thread(target=self._begin, daemon=True).start()

    def _world(self) -> dict[str, Any]:
        while True:
            try:
                with open(self._port, encoding="utf-8") as file:
                    world: dict[str, Any] = json.load(file)
                    return world
            except ValueError:  # somebody writes it
                time.sleep(0.001)

    def _write(self, world: dict[str, Any]) -> None:
        with open(self._port, "r+", encoding="utf-8") as file:
            json.dump(world, file)
            file.truncate()

    def _begin(self) -> None:
        world = self._world()
        if world.get("fails"):
            self._say("DriverFailed")
            return
        self._say("DriverReady")
        for number, node in world["nodes"].items():
            for index, (class_, place) in enumerate(CLASSES[node["kind"]]):
                handle = int(number) * 100 + index
                self._values[handle] = (int(number), class_, place)
                self._say_value("ValueAdded", handle, None)
            if node.get("secure"):
                self._say_plain(int(number), "COMMAND_CLASS_SECURITY", 0, True)
        self._say("AllNodesQueried", node=255)
        while True:
            time.sleep(0.02)
            self._say_what_came()

    def _say_what_came(self) -> None:
        """Say what the test has put into `says`: (node, class, index, value)."""
        world = self._world()
        says = world.pop("says", [])
        if says:
            self._write(world)
        for node, class_, index, value in says:
            self._say_plain(node, class_, index, value)

    def _say(self, kind: str, node: int = 1, code: int | None = None) -> None:
        said = {"notificationType": kind, "homeId": HOME, "nodeId": node}
        if code is not None:
            said["notificationCode"] = code
        self._watch(said)

    def _say_plain(self, node: int, class_: str, index: int, value: object) -> None:
        self._alarm = value
        self._said("ValueChanged", node, class_, index, node * 100 + 90, value)

    def _say_value(self, kind: str, handle: int, value: object) -> None:
        self._said(kind, *self._values[handle], handle, value)

    def _said(
        self, kind: str, node: int, class_: str, index: int, handle: int, value: object
    ) -> None:
        units = {"COMMAND_CLASS_SENSOR_MULTILEVEL": "C", "COMMAND_CLASS_BATTERY": "%"}
        value_id = {
            "commandClass": class_,
            "instance": 1,
            "index": index,
            "id": handle,
            "value": value,
            "units": units.get(class_),
        }
        said = {"notificationType": kind, "homeId": HOME, "nodeId": node, "valueId": value_id}
        self._watch(said)

    def getValueListSelectionNum(self, handle: int) -> object:
        return self._alarm

    def setValue(self, handle: int, value: bool | int) -> int:
        world = self._world()
        if world.get("aborts"):
            os.abort()
        if world.get("hangs"):
            time.sleep(3600)
        number, _, _ = self._values[handle]
        node = world["nodes"][str(number)]
        if node.get("refused"):
            return 0
        if not node.get("stuck") and not node.get("mute"):
            node["value"] = int(value) * 255 if node["kind"] == "lock" else int(value)
            self._write(world)
        return 1

    def refreshValue(self, handle: int) -> bool:
        number, _, _ = self._values[handle]
        node = self._world()["nodes"][str(number)]
        if node.get("mute"):
            threading.Thread(target=self._say, args=("Notification", number, 5)).start()
        else:
            threading.Thread(target=self._report, args=(number, node), daemon=True).start()
        return True

    def _report(self, number: int, node: dict[str, Any]) -> None:
        value = node["value"]
        match node["kind"]:
            case "switch":
                self._say_value("ValueRefreshed", number * 100, bool(value))
            case "cover":
                self._say_value("ValueRefreshed", number * 100, value)
            case "lock":
                self._say_value("ValueRefreshed", number * 100, value == 255)
                if value in MODES:
                    self._say_value("ValueRefreshed", number * 100 + 1, MODES[value])
            case "sensor":
                self._say_value("ValueRefreshed", number * 100, value)
                self._say_value("ValueRefreshed", number * 100 + 1, 10)

    def releaseButton(self, handle: int) -> bool:
        return True

    def testNetworkNode(self, home: int, node: int, count: int) -> None:
        if not self._world()["nodes"][str(node)].get("mute"):
            threading.Thread(target=self._say, args=("Notification", node, 6)).start()
