"""libosdp as the panel uses it: one control panel object a reader, always with a secure channel.

Laws:
1. Every reader has a key, and its secure channel is enforced: without that libosdp takes cards of
   a reader with a wrong key, in plain text. The one exception is `installing_panel`, for an install
   command alone; what a reader tells over it goes nowhere (`session`, law 5).
2. A channel and a callback never raise: libosdp's binding does not expect it.
3. Only the panel's process loads the library.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, Protocol

from hubcore.errors import HardwareError

MISSING = (
    "The readers on OSDP need the library libosdp, which is not installed. In the folder of hubd's "
    "sources run `pip install '.[osdp]'` with the pip of hubd's environment, then restart hubd."
)
CRITICAL_ONLY = 2
"""libosdp's log level: what it says of a line, the states say as well."""


class Colour(IntEnum):
    """Colours of a reader's light (SIA OSDP, command LED)."""

    OFF = 0
    RED = 1
    GREEN = 2
    AMBER = 3


class EventKind(IntEnum):
    """What libosdp tells, in the member `event`."""

    CARD = 1
    KEYS = 2
    STATUS = 4
    NOTICE = 5


class CommandKind(IntEnum):
    """What libosdp sends, in the member `command`."""

    LED = 2
    BUZZER = 3
    KEYSET = 5
    STATUS = 9


class NoticeKind(IntEnum):
    """What an EventKind.NOTICE is about, in the member `type`; `arg0` is 1 for yes, 0 for no."""

    SECURE = 1
    ON_LINE = 2


LOCAL_STATUS = 2
"""The status of a reader's own case and power, among libosdp's kinds of status."""
LED_ABILITY = 4
BUZZER_ABILITY = 5

Event = dict[str, Any]


class Channel(Protocol):
    """How libosdp reads and writes. It calls `write` with one whole frame; -1 means it failed."""

    id: int

    def read(self, most: int) -> bytes:
        """Return at most so many bytes; b'' when there are none."""

    def write(self, frame: bytes) -> int:
        """Return how many bytes went out: all, or -1."""

    def flush(self) -> None:
        """Drop what was not read."""


class Panel(Protocol):
    """libosdp's control panel for one reader, number 0 in every call."""

    def refresh(self) -> None:
        """Move on by one step; calls back."""

    def sc_status(self) -> int:
        """Return 1 when the secure channel stands."""

    def submit_command(self, number: int, command: Mapping[str, object]) -> bool:
        """Queue a command; return whether it was."""

    def check_capability(self, number: int, ability: int) -> tuple[int, int]:
        """Return (level, items) of what the reader can do; zeros when it cannot."""

    def disable_pd(self, number: int) -> bool:
        """Have it come to rest."""

    def enable_pd(self, number: int) -> bool:
        """Begin from the first command."""

    def is_pd_enabled(self, number: int) -> bool:
        """Tell whether it has not come to rest."""

    def set_event_callback(self, callback: Callable[[int, Event], int]) -> None:
        """Set who is told, inside `refresh`."""


class Library:
    """The library, loaded."""

    def __init__(self) -> None:
        """Raise HardwareError when it is not installed."""
        try:
            self._osdp = importlib.import_module("osdp_sys")
        except ImportError as error:
            raise HardwareError(MISSING) from error
        self._osdp.set_loglevel(CRITICAL_ONLY)
        self._enforced: int = self._osdp.FLAG_ENFORCE_SECURE | self._osdp.FLAG_ENABLE_NOTIFICATION
        self._installing: int = self._osdp.FLAG_INSTALL_MODE | self._osdp.FLAG_ENABLE_NOTIFICATION

    def panel(
        self, *, address: int, key: bytes, channel: Channel, told: Callable[[Event], None]
    ) -> Panel:
        """Return a panel that begins to talk with the reader as soon as it is refreshed."""
        return self._new(address, key, channel, told, self._enforced)

    def installing_panel(
        self, *, address: int, key: bytes, channel: Channel, told: Callable[[Event], None]
    ) -> Panel:
        """Return a panel that gives `key` to a reader with the public default key (SCBK-D)."""
        return self._new(address, key, channel, told, self._installing)

    def _new(
        self,
        address: int,
        key: bytes,
        channel: Channel,
        told: Callable[[Event], None],
        flags: int,
    ) -> Panel:
        info = {
            "name": f"reader-{address}",
            "address": address,
            "flags": flags,
            "scbk": key,
            "channel": channel,
        }
        panel: Panel = self._osdp.ControlPanel([info])

        def callback(_number: int, event: Event) -> int:
            told(dict(event))
            event.clear()  # the binding never frees it (3.2.9)
            return 0

        panel.set_event_callback(callback)
        return panel
