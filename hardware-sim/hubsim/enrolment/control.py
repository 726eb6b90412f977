"""What an operator asks the enrolment desk, over the backend's local socket.

Law: the token is told once, in the answer to `enrol`, and stands in no file.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubcore.backend.enrolment.messages import DOORS_MAX, NAME_BYTES_MAX
from hubcore.backend.enrolment.promise import Promise, Signed, standing
from hubsim.enrolment.desk import Desk

JsonObject = dict[str, Any]
POINT_MAX = 65_535


class EnrolmentOrders:
    """The orders, by their names; each returns what the answer says beside `ok`."""

    def __init__(self, desk: Desk, port: int) -> None:
        """`port`: where new hubs come."""
        self._desk = desk
        self._port = port

    def orders(self) -> Mapping[str, Callable[[JsonObject], Awaitable[JsonObject]]]:
        """Return them for `Control`."""
        return {
            "enrol": self._enrol,
            "enrolments": self._enrolments,
            "approve": self._approve,
            "refuse": self._refuse,
            "end": self._end,
        }

    async def _enrol(self, order: JsonObject) -> JsonObject:
        """Make a token; `names` are those of the doors, by access point."""
        token = self._desk.promise(
            hub=str(order["hub"]),
            names=_names(order["names"]),
            time_zone=str(order["time_zone"]),
            replaces=bool(order.get("replace", False)),
        )
        return {"token": token}

    async def _enrolments(self, _order: JsonObject) -> JsonObject:
        entries = self._desk.book.entries
        return {
            "enrolments": {hub: self._about(entry) for hub, entry in entries.items()},
            "port": self._port,
        }

    async def _approve(self, order: JsonObject) -> JsonObject:
        certificate = bytes.fromhex(order["certificate"])
        tls_certificate = bytes.fromhex(order["tls_certificate"])
        self._desk.approve(str(order["hub"]), Signed(certificate, tls_certificate))
        return {}

    async def _refuse(self, order: JsonObject) -> JsonObject:
        self._desk.book.refuse(str(order["hub"]))
        return {}

    async def _end(self, order: JsonObject) -> JsonObject:
        self._desk.end(str(order["hub"]))
        return {}

    def _about(self, entry: Promise) -> JsonObject:
        return {
            "points": list(entry.points),
            "names": dict(entry.names),
            "time_zone": entry.time_zone,
            "identity": entry.identity,
            "tls_key": entry.tls_key,
            "fingerprint": entry.fingerprint,
            "standing": standing(entry, self._desk.now()),
        }


def _names(said: Any) -> dict[int, str]:
    """Read the doors. Raise ValueError."""
    if not isinstance(said, dict) or not 1 <= len(said) <= DOORS_MAX:
        raise ValueError(f"names: expected 1 to {DOORS_MAX} doors, by access point")
    names: dict[int, str] = {}
    for point, name in said.items():
        text = str(name)
        if not 1 <= int(point) <= POINT_MAX:
            raise ValueError(f"access point {point} is not within 1..{POINT_MAX}")
        if not text.isprintable() or not 1 <= len(text.encode()) <= NAME_BYTES_MAX:
            raise ValueError(f"the name of access point {point} is no text of 1..{NAME_BYTES_MAX}")
        names[int(point)] = text
    return names
