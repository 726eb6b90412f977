"""The visits of phones as BlueZ tells them: one Device1 object's time of being connected is one
link.

Laws: a link id is never used twice; what a visit was served ends with it; the listener hears
`opened` before anything else of a link and nothing after `closed`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

from hubcore.ports.radio import LinkId, RadioListener


@dataclass(slots=True)
class Visit:
    """One link.

    `announced`: BlueZ has said that it is connected. `served` holds the value last read, by
    attribute.
    """

    link: LinkId
    announced: bool
    served: dict[str, bytes] = field(default_factory=dict)


class Visits:
    """The visits of one generation, by the path of their Device1 object."""

    def __init__(self, listener: RadioListener, epochs: itertools.count[int]) -> None:
        self._listener = listener
        self._epochs = epochs
        self._visits: dict[str, Visit] = {}

    def __len__(self) -> int:
        return len(self._visits)

    def connected(self, device: str) -> None:
        """BlueZ says that a device is connected: a new visit, unless a call of its has begun it
        already.
        """
        visit = self._visits.get(device)
        if visit is not None and not visit.announced:
            visit.announced = True
            return
        self.gone(device)
        self._begin(device, announced=True)

    def gone(self, device: str) -> None:
        """The visit of a device is over."""
        visit = self._visits.pop(device, None)
        if visit is not None:
            self._listener.closed(visit.link)

    def of(self, device: str) -> Visit:
        """Return the visit that a call belongs to; a call may come before the news of the
        connection.
        """
        return self._visits.get(device) or self._begin(device, announced=False)

    def device(self, link: LinkId) -> str | None:
        """Return the device's path while this very visit lasts."""
        visit = self._visits.get(link.peer)
        return link.peer if visit is not None and visit.link == link else None

    def has(self, device: str) -> bool:
        """Tell whether a visit of the device lasts."""
        return device in self._visits

    def end(self) -> None:
        """All are over."""
        for device in list(self._visits):
            self.gone(device)

    def _begin(self, device: str, announced: bool) -> Visit:
        visit = self._visits[device] = Visit(LinkId(device, next(self._epochs)), announced)
        self._listener.opened(visit.link)
        return visit
