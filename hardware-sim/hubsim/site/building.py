"""A building on a desk: two doors, one of them with a Z-Wave lock, two shutters and a reader.

HUB/building.toml      what the configuration of such a hub has beside doors and readers

The nodes are those of `hubsim zwave`, which is reached in the hub's state directory.
"""

from __future__ import annotations

from hubsim.site.folder import Site, write_public
from hubsim.site.hubfiles import BUILDING, DeskDoor, desk_doors
from hubsim.site.readers import add_reader

FRONT = DeskDoor(strike_seconds=1.0)
ARCHIVE = DeskDoor(id="archive", name="Archive", access_point=2, lock=8, strike_seconds=1.0)
POINTS = (FRONT.access_point, ARCHIVE.access_point)
READER = "front-card"
SHUTTERS = {"shutter-south": 3, "shutter-north": 4}
"""The node of each."""
ALL_SHUTTERS = 1
"""Their group in the policy."""


def make_building(site: Site) -> None:
    """Make the first hub, which has POINTS, that of a building; write no configuration yet."""
    write_public(site.hub / BUILDING, zwave_sections(*SHUTTERS).encode())
    add_reader(site, site.first_hub, READER, FRONT.access_point)
    site.change(groups={ALL_SHUTTERS: tuple(SHUTTERS)})


def zwave_sections(*shutters: str) -> str:
    """Return the sections of the Z-Wave service and of some of SHUTTERS."""
    text = '\n[zwave]\nsocket = "state/zwave-js.sock"\n'
    for shutter in shutters:
        text += f"""
[[devices]]
kind = "zwave"
id = "{shutter}"
name = "{shutter.replace("-", " ").capitalize()}"
node = {SHUTTERS[shutter]}
capability = "cover"
"""
    return text


def hub_doors(site: Site, hub: str) -> list[DeskDoor]:
    """Return the doors of a hub: one for each access point of its certificate."""
    doors = {door.access_point: door for door in desk_doors(site.certificate(hub).access_points)}
    if (site.hub_folder(hub) / BUILDING).exists():
        doors |= {FRONT.access_point: FRONT, ARCHIVE.access_point: ARCHIVE}
    return list(doors.values())
