"""A laptop with an adapter of its own, in a guest of its own: a phone over bleak and BlueZ, against
the real hub.
"""

from __future__ import annotations

import re
from collections import Counter

from hubcore.access.grant import Access
from hubcore.phone import gatt
from hubsim import site as sites
from hubsim.site import Site
from lab.guest import Done, Guest
from lab.hub import LabHub

UNLOCK_SECONDS = 60.0
HUBSIM = ("/opt/hubd/bin/python", "-m", "hubsim.main")

LEFT = (
    'until [ -z "$(bluetoothctl devices Connected)" ]; do bluetoothctl devices Connected; '
    "sleep 0.2; done"
)


async def take_phone(laptop: Guest, site: Site, name: str) -> None:
    """Make a phone that may open, and put it on the laptop."""
    site.grant(name, [Access(1, sites.OPEN_AND_QUERY, ())])
    for file in (site.path / "site.json", *sorted(site.phone(name).iterdir())):
        await laptop.put(f"/root/site/{file.relative_to(site.path)}", file.read_bytes(), 0o600)


async def unlock(laptop: Guest, name: str, *options: str) -> Done:
    """Unlock as a person at the laptop does."""
    argv = (*HUBSIM, "phone", "unlock", name, "--at", "/root/site", "--radio", "bleak", *options)
    return await laptop.run(*argv, seconds=UNLOCK_SECONDS, check=False)


async def paths(hub: LabHub) -> Counter[str]:
    """Count the hub's decisions by their path."""
    return Counter(re.findall(r'"path":"(full|short)"', await hub.journal(100_000)))


async def test_a_long_unlock_then_short_ones_each_with_its_strike(
    hub: LabHub, laptop: Guest, site: Site
) -> None:
    await take_phone(laptop, site, "laura")
    before = await paths(hub)
    for way in ("full", "short", "short"):
        done = await unlock(laptop, "laura")
        assert (done.status, done.err) == (0, ""), f"{done}\n{await hub.story()}"
        assert done.out.startswith(f"allowed ({way} path, "), done
        left = await laptop.run("timeout", "10", "sh", "-c", LEFT, check=False)
        assert left.status == 0, f"it did not leave: {left.out}"
    assert await paths(hub) == before + Counter(full=1, short=2)


async def test_small_frames(hub: LabHub, laptop: Guest, site: Site) -> None:
    await take_phone(laptop, site, "mina")
    done = await unlock(laptop, "mina", "--mtu", "23")
    assert done.out.startswith("allowed (full path, "), f"{done}\n{await hub.story()}"


async def test_the_hubs_own_adapter_is_never_used(hub: LabHub, site: Site) -> None:
    """On the hub's own machine, whether it is on air or away from it just then; and the hub is left
    in peace.
    """
    told = (await hub.guest.run("bluetoothctl", "show")).out
    assert gatt.SERVICE in told, "BlueZ no longer tells which adapter has the service"
    await take_phone(hub.guest, site, "nora")
    pid = await hub.pid()
    for options in ((), ("--adapter", "hci0")):
        done = await unlock(hub.guest, "nora", *options)
        assert done.status == 1
        assert "a hub of this machine advertises on hci0" in done.err, done
    await hub.guest.run("systemctl", "mask", "--runtime", "--now", "bluetooth")
    try:
        done = await unlock(hub.guest, "nora")
        assert done.status == 1
        assert done.err.startswith("Error: phone: "), done
    finally:
        await hub.guest.run("systemctl", "unmask", "--runtime", "bluetooth")
        await hub.guest.run("systemctl", "start", "bluetooth")
    assert await hub.pid() == pid


async def test_an_adapter_switched_off_and_none_at_all(
    hub: LabHub, laptop: Guest, site: Site
) -> None:
    await take_phone(laptop, site, "olga")
    await laptop.run("bluetoothctl", "power", "off")
    done = await unlock(laptop, "olga")
    await laptop.run("bluetoothctl", "power", "on")
    assert (done.status, "hci0 is switched off: try `bluetoothctl power on`" in done.err) == (
        1,
        True,
    ), done
    done = await unlock(laptop, "olga", "--adapter", "hci7")
    assert (done.status, "there is no adapter hci7; there are hci0" in done.err) == (1, True), done
