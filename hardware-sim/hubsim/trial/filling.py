"""What an operator types on the first day: doors, hours, people and grants.

Law: it is typed into the pages, and into nothing else. So each row went through its form, and has
its act.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from hubsim.stage import StageError
from hubsim.trial.ground import FRONT, STORE
from hubsim.trial.pages import Pages, newest_policy
from hubsim.trial.server import Operator

WORKDAYS = range(5)
OFFICE_HOURS = "08:00-12:00, 13:00-18:00"
PHONE_OWNER = "Anna Example"


@dataclass(frozen=True, slots=True)
class Filled:
    """What was made: whose phone comes to the door, and how many rows there are."""

    owner: str
    rows: int


def sign_in(pages: Pages, who: Operator) -> None:
    """Sign in. Raise StageError."""
    pages.get("/sign-in")
    pages.submit({"name": who.name, "password": who.password, "code": who.code()})


def fill(pages: Pages) -> Filled:
    """Fill an empty site. Raise StageError."""
    points = [_door(pages, door.name, door.access_point) for door in (FRONT, STORE)]
    week = {f"day_{day}": OFFICE_HOURS for day in WORKDAYS}
    hours = pages.add("schedule", {"name": "Office hours", **week})
    staff = pages.add("group", {"name": "Staff"})
    anna = pages.add("person", {"name": PHONE_OWNER, "note": "Room 12", "groups": [staff]})
    pages.add("person", {"name": "Bert Example", "note": "Room 14", "groups": [staff]})
    pages.add("person", {"name": "Carla Example", "note": "Cleaning", "groups": []})
    pages.add("grant", {"points": points}, f"?person={anna}")
    pages.add("grant", {"group": staff, "points": points[:1], "schedule": hours})
    return Filled(owner=anna, rows=2 * len(points) + 7)


def _door(pages: Pages, name: str, number: int) -> str:
    """Make a door with one access point; return the key of that."""
    door = pages.add("door", {"name": name})
    return pages.add("point", {"number": str(number), "name": "inward", "door": door})


def link_for(pages: Pages, person: str) -> str:
    """Make a link that connects one phone; return it whole. Raise StageError."""
    pages.get(f"/person/{person}")
    pages.submit({}, f"/person/{person}/invitation")
    link = pages.page.areas.get("link", "").strip()
    if not urlsplit(link).path.startswith("/join/"):
        raise StageError(f"no link was shown: {pages.page.text}")
    return link


def policy_signed(pages: Pages) -> int | None:
    """Return the version of the policy with every change, None while there is none."""
    return newest_policy(pages.get("/hubs").text)
