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
    """The connections of one session, by the path of their Device1 object."""

    def __init__(self, listener: RadioListener, link_numbers: itertools.count[int]) -> None:
        self._listener = listener
        self._link_numbers = link_numbers
        self._connections: dict[str, Connection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def connected(self, device: str) -> None:
        """Begin the connection of a device that is connected, unless a call of its has begun it."""
        connection = self._connections.get(device)
        if connection is not None and not connection.announced:
            connection.announced = True
            return
        self.gone(device)
        self._begin(device, announced=True)

    def gone(self, device: str) -> None:
        """End the connection of a device."""
        connection = self._connections.pop(device, None)
        if connection is not None:
            self._listener.closed(connection.link)

    def of(self, device: str) -> Connection:
        """Return the connection that a call belongs to.

        A call may come before the news of the connection.
        """
        connection = self._connections.get(device)
        if connection is not None:
            return connection
        return self._begin(device, announced=False)

    def device(self, link: LinkId) -> str | None:
        """Return the device's path while this very connection lasts."""
        connection = self._connections.get(link.peer)
        if connection is None or connection.link != link:
            return None
        return link.peer

    def has(self, device: str) -> bool:
        """Tell whether a connection of the device lasts."""
        return device in self._connections

    def end(self) -> None:
        """End all connections."""
        for device in list(self._connections):
            self.gone(device)

    def _begin(self, device: str, announced: bool) -> Connection:
        link = LinkId(device, next(self._link_numbers))
        connection = Connection(link, announced)
        self._connections[device] = connection
        self._listener.opened(link)
        return connection
