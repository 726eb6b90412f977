"""What BlueZ itself does to a case, and the rule by which a case that met with it is run again.

BlueZ as released dies at times of what an earlier case left half-way
(systemd/bluez-client-left.patch). It also lets a bonded phone go that has encrypted in the moment
in which bluetoothd takes its link.

Laws:
1. A case that fails while bluetoothd dies by itself fails with BluetoothdDied, and one whose bonded
   phone was let go with PhoneLetGo. Nothing counts as either but what systemd or bluetoothd says.
2. It alone is run once more, from its fixtures on (new phones, a hub that is on air), by
   pytest-rerunfailures, and the summary names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lab.guest import Guest
from lab.vitals import lull

_DEATH = re.compile(
    r"bluetooth\.service: Main process exited, code=(?:killed|dumped), "
    r"status=\d+/(?:SEGV|ABRT|BUS|ILL|FPE)"
)


_LET_GO = "device_attach_att() bt_io_set: setsockopt(BT_SECURITY): Invalid argument"


class PhoneLetGo(Exception):
    """A bonded phone lost its link while bluetoothd let one go; its cause is what failed."""


class BluetoothdDied(Exception):
    """A case failed in an attempt in which bluetoothd died by itself; its cause is what failed."""


async def deaths(guest: Guest) -> int:
    """Count how often the guest's bluetoothd has died by itself, as systemd says on the console: of
    no signal that the lab sends.
    """
    # before it answers it looks at what has ended
    await guest.run("systemctl", "is-active", "bluetooth", check=False)
    return len(_DEATH.findall(guest.console))


async def times_let_go(guest: Guest) -> int:
    """Count how often the guest's bluetoothd says that it has let a bonded phone go."""
    await guest.run("journalctl", "--sync")
    said = await guest.run("journalctl", "-b", "-u", "bluetooth", "-o", "cat", "--no-pager")
    return said.out.count(_LET_GO)


def guests_of(fixtures: Iterable[object]) -> list[Guest]:
    """Return the guests that a case has, by themselves or as the guest of a hub."""
    found = (getattr(value, "guest", value) for value in fixtures)
    return list({id(one): one for one in found if isinstance(one, Guest)}.values())


async def rest(guest: Guest) -> None:
    """Wait until a hub that runs there is on air again, on the bluetoothd that came after.

    Raise LabError.
    """
    if (await guest.run("systemctl", "is-active", "hubd", check=False)).status == 0:
        await lull(guest)
