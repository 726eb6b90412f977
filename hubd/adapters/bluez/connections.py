"""The connections of phones, as BlueZ reports them: each connection of a Device1 is one link.

Laws:
1. A link id is never used twice.
2. What a connection was served ends with it.
3. The listener hears `opened` before anything else of a link, and nothing after `closed`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hubcore.ports.radio import LinkId, RadioListener


@dataclass(slots=True)
class Connection:
    """One link.

    `announced`: BlueZ has said that it is connected. `served` holds the value last read, by
    attribute.
    """

    link: LinkId
    announced: bool
    served: dict[str, bytes] = field(default_factory=dict)


class Connections:
    """The visits of one session, by the path of their Device1 object."""

    def __init__(self, listener: RadioListener, link_numbers: itertools.count[int]) -> None:
        self._listener = listener
        self._link_numbers = link_numbers
        self._visits: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._visits)

    def connected(self, device: str) -> None:
        """Begin the visit of a device that is connected, unless a call of its has begun it."""
        visit = self._visits.get(device)
        if visit is not None and not visit.announced:
            visit.announced = True
            return
        self.gone(device)
        self._begin(device, announced=True)

    def gone(self, device: str) -> None:
        """End the visit of a device."""
        visit = self._visits.pop(device, None)
        if visit is not None:
            self._listener.closed(visit.link)

    def of(self, device: str) -> Connection:
        """Return the visit that a call belongs to.

        A call may come before the news of the connection.
        """
        visit = self._visits.get(device)
        if visit is not None:
            return visit
        return self._begin(device, announced=False)

    def device(self, link: LinkId) -> str | None:
        """Return the device's path while this very visit lasts."""
        visit = self._visits.get(link.peer)
        if visit is None or visit.link != link:
            return None
        return link.peer

    def has(self, device: str) -> bool:
        """Tell whether a visit of the device lasts."""
        return device in self._visits

    def end(self) -> None:
        """End all visits."""
        for device in list(self._visits):
            self.gone(device)

    def _begin(self, device: str, announced: bool) -> Connection:
        link = LinkId(device, next(self._link_numbers))
        visit = Connection(link, announced)
        self._visits[device] = visit
        self._listener.opened(link)
        return visit
