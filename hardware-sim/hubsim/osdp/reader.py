"""A simulated reader with keypad: libosdp's peripheral device, and what a person does to it."""

from __future__ import annotations

import importlib
from collections import deque
from dataclasses import dataclass
from typing import Any

CARD = 1
KEYS = 2
STATUS = 4
LED = 2
BUZZER = 3
KEYSET = 5
LOCAL_STATUS = 2
KEY_CODES = {"*": 0x7F, "#": 0x0D}
ABILITIES = (
    (3, 1, 1),  # cards as bits
    (4, 4, 1),  # one light, all colours
    (5, 2, 1),  # a buzzer
    (8, 1, 0),  # CRC-16
    (9, 1, 1),  # AES-128
)
INBOX_MAX = 4096


@dataclass(frozen=True, slots=True)
class Shown:
    """What the panel made the reader show: a colour of libosdp (0 to 7), or so many beeps."""

    colour: int | None = None
    beeps: int = 0


class SimReader:
    """A reader with an address. `key` None: it has no key and speaks plain text.

    `fresh`: it is as it came from its maker, with the public default key, and takes another.
    """

    def __init__(self, address: int, key: bytes | None, fresh: bool = False) -> None:
        self.address = address
        self.key = key
        self.fresh = fresh
        self.id = 1
        self.alive = True
        self.refuses_keys = False
        self.refuses_status = False
        self.shown: list[Shown] = []
        self.outbox = bytearray()
        self._inbox: deque[int] = deque(maxlen=INBOX_MAX)
        self._osdp = importlib.import_module("osdp_sys")
        self._tampered = False
        self._no_power = False
        self._device = self._new_device()

    @property
    def is_secure(self) -> bool:
        """Whether it has a secure channel with a panel."""
        return bool(self._device.is_sc_active())

    def hold_card(self, data: bytes, bits: int | None = None) -> bool:
        """Hold a card to it; return whether the reader will tell it."""
        event = {
            "event": CARD,
            "reader_no": 0,
            "direction": 0,
            "format": 0,
            "length": len(data) * 8 if bits is None else bits,
            "data": data,
        }
        return bool(self._device.submit_event(event))

    def press(self, keys: str) -> bool:
        """Press keys: digits, `*` and `#`; return whether the reader will tell them."""
        codes = bytes(KEY_CODES.get(key, ord(key)) for key in keys)
        return bool(self._device.submit_event({"event": KEYS, "reader_no": 0, "data": codes}))

    def set_status(self, *, tampered: bool = False, no_power: bool = False) -> None:
        """Open or close its case; take or give its power (it has a battery)."""
        self._tampered = tampered
        self._no_power = no_power
        self._tell_status()

    def swap_key(self, key: bytes | None) -> None:
        """Put another reader, with this key, in its place."""
        self.key = key
        self._device = self._new_device()

    def restart(self) -> None:
        """Take its power away and give it again."""
        self._device = self._new_device()

    def hear(self, data: bytes) -> None:
        """Let it hear bytes of the line."""
        self._inbox.extend(data)

    def step(self) -> None:
        """Let libosdp move on."""
        if self.alive:
            self._device.refresh()
        else:
            self._inbox.clear()

    def read(self, most: int) -> bytes:
        """For libosdp: bytes of the line."""
        count = min(most, len(self._inbox))
        return bytes(self._inbox.popleft() for _ in range(count))

    def write(self, data: bytes) -> int:
        """For libosdp: bytes for the line."""
        self.outbox += data
        return len(data)

    def flush(self) -> None:
        """For libosdp: drop what was not read."""
        self._inbox.clear()

    def _new_device(self) -> Any:
        self._inbox.clear()
        info: dict[str, Any] = {
            "name": f"sim-{self.address}",
            "address": self.address,
            "flags": self._flags(),
            "scbk": self.key,
            "channel": self,
            "version": 1,
            "model": 1,
            "vendor_code": 0x1234,
            "serial_number": self.address,
            "firmware_version": 1,
        }
        abilities = [
            {"function_code": code, "compliance_level": level, "num_items": items}
            for code, level, items in ABILITIES
        ]
        self._osdp.set_loglevel(self._osdp.LOG_EMERG)
        device = self._osdp.PeripheralDevice(info, capabilities=abilities)
        device.set_command_callback(self._obey)
        return device

    def _flags(self) -> int:
        if self.fresh:
            return int(self._osdp.FLAG_INSTALL_MODE)
        return 0 if self.key is None else int(self._osdp.FLAG_ENFORCE_SECURE)

    def _obey(self, command: dict[str, Any]) -> tuple[int, None]:
        """For libosdp: do a command; return (0, None), or (-1, None) to refuse it."""
        result = 0
        match command["command"]:
            case 2:
                self.shown.append(Shown(colour=command["on_color"]))
            case 3:
                self.shown.append(Shown(beeps=command["rep_count"]))
            case 5 if self.refuses_keys:
                result = -1
            case 5:
                self.key = bytes(command["data"][:16])
                self.fresh = False
            case 9 if self.refuses_status:
                result = -1
            case 9 if self._tampered or self._no_power:
                self._tell_status()  # the binding can answer zeros only
        # A new tuple each time: the binding takes a reference to None away with each answer.
        return tuple([result, None])  # type: ignore[return-value]  # noqa: C409

    def _tell_status(self) -> None:
        report = bytes([self._tampered, self._no_power])
        self._device.submit_event({"event": STATUS, "type": LOCAL_STATUS, "report": report})
