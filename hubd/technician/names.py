"""The door that somebody means, by the word that he typed.

Law: an id goes before a name, and a door before an access point. A word that means two doors means
none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubcore.errors import HubError
from hubd.config.doors import AccessPoint, Door

NAME_CHARS_MAX = 128


class NoSuchDoorError(HubError):
    """The word means no door of this hub, or several."""


@dataclass(frozen=True, slots=True)
class Meant:
    """A door, and the access points that are meant: of a door all of its own."""

    door: Door
    points: tuple[AccessPoint, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of the access points."""
        return tuple(point.number for point in self.points)


class DoorNames:
    """Finds the door of a word."""

    def __init__(self, doors: Sequence[Door]) -> None:
        self._doors = tuple(doors)

    def find(self, word: object) -> Meant:
        """Return what a word means. Raise NoSuchDoorError."""
        if not isinstance(word, str) or not 0 < len(word) <= NAME_CHARS_MAX:
            raise NoSuchDoorError("A door is named by its id, its name or an access point.")
        for found in (self._by_id(word), self._by_name(word), self._by_point(word)):
            if len(found) == 1:
                return found[0]
            if found:
                ids = ", ".join(meant.door.id for meant in found)
                raise NoSuchDoorError(f"{word} is several doors: {ids}. Type the id of one.")
        raise NoSuchDoorError(f"This hub has no door {word}. Type: hubctl doors.")

    def _by_id(self, word: str) -> list[Meant]:
        return [Meant(door, door.access_points) for door in self._doors if door.id == word]

    def _by_name(self, word: str) -> list[Meant]:
        return [Meant(door, door.access_points) for door in self._doors if door.name == word]

    def _by_point(self, word: str) -> list[Meant]:
        return [
            Meant(door, (point,))
            for door in self._doors
            for point in door.access_points
            if word in (str(point.number), point.name)
        ]
