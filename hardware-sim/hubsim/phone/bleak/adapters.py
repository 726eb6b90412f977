"""Which adapter of a Linux machine a phone may use: one that is on, and that no hub here uses.

Laws:
1. An adapter on which the service of hubd is registered is never chosen, not even by name.
2. While a hub runs here that is on no adapter, none is chosen: any may be its own in a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from hubcore.errors import LinkError
from hubcore.phone import gatt
from hubd.config.hub import Api

BUS_SECONDS = 5.0
ADAPTER = "org.bluez.Adapter1"
HUB_SOCKET = Api().socket
ABSENT = frozenset(
    {"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.NameHasNoOwner"}
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """One adapter as BlueZ describes it.

    `name` is such as hci0; `serves` says that a hub's service is registered.
    """

    name: str
    address: str
    powered: bool
    serves: bool


async def choose(
    wanted: str = "",
    bus_address: str | None = None,
    socket: Path = HUB_SOCKET,
    bus_seconds: float = BUS_SECONDS,
) -> str:
    """Return the name of the adapter to use; `wanted` is a name or an address, "" for any.

    The bus has `bus_seconds` to answer. Raise LinkError.
    """
    adapters = await _adapters(bus_address, bus_seconds)
    hub_runs = await _answers(socket)
    return pick(adapters, wanted, hub_runs)


def pick(adapters: Iterable[Adapter], wanted: str, hub_runs: bool) -> str:
    """Choose among adapters; `hub_runs` says that the machine's hub answers.

    Raise LinkError with what to do.
    """
    known = list(adapters)
    if not known:
        raise LinkError("phone: this machine has no Bluetooth adapter that BlueZ knows of")
    if hub_runs and not any(adapter.serves for adapter in known):
        raise LinkError(
            "phone: a hub runs on this machine, on no adapter just now: wait until it is ready"
        )
    meant = [adapter for adapter in known if _is_meant(adapter, wanted)]
    if not meant:
        names = ", ".join(f"{adapter.name} ({adapter.address})" for adapter in known)
        raise LinkError(f"phone: there is no adapter {wanted}; there are {names}")
    free = [adapter for adapter in meant if not adapter.serves]
    if not free:
        serving = ", ".join(adapter.name for adapter in meant)
        raise LinkError(
            f"phone: a hub of this machine advertises on {serving}; name another one with "
            "--adapter, or use another machine"
        )
    on = [adapter for adapter in free if adapter.powered]
    if not on:
        off = ", ".join(adapter.name for adapter in free)
        raise LinkError(
            f"phone: {off} is switched off: try `bluetoothctl power on` and "
            "`rfkill unblock bluetooth`"
        )
    return on[0].name


def _is_meant(adapter: Adapter, wanted: str) -> bool:
    return wanted.upper() in ("", adapter.name.upper(), adapter.address)


async def _adapters(bus_address: str | None, bus_seconds: float) -> list[Adapter]:
    objects = await _managed_objects(bus_address, bus_seconds)
    found = []
    for path, interfaces in sorted(objects.items()):
        properties = interfaces.get(ADAPTER)
        if properties is not None:
            found.append(_adapter(path, properties))
    return found


def _adapter(path: str, properties: Mapping[str, Any]) -> Adapter:
    return Adapter(
        name=path.rpartition("/")[2],
        address=properties["Address"].value,
        powered="Powered" in properties and properties["Powered"].value,
        serves="UUIDs" in properties and gatt.SERVICE in properties["UUIDs"].value,
    )


async def _managed_objects(bus_address: str | None, bus_seconds: float) -> dict[str, Any]:
    """Ask BlueZ for all that it knows. Raise LinkError."""
    bus = MessageBus(bus_address=bus_address, bus_type=BusType.SYSTEM)
    call = Message(
        destination="org.bluez",
        path="/",
        interface="org.freedesktop.DBus.ObjectManager",
        member="GetManagedObjects",
    )
    try:
        async with asyncio.timeout(bus_seconds):
            await bus.connect()
            reply = await bus.call(call)
    except Exception as error:
        remedy = "does dbus run, and is bluez installed?"
        raise LinkError(f"phone: the system D-Bus does not answer ({error!r}); {remedy}") from error
    finally:
        bus.disconnect()
    if reply is not None and reply.message_type is MessageType.METHOD_RETURN:
        objects: dict[str, Any] = reply.body[0]
        return objects
    name = reply.error_name or "" if reply else ""
    if name in ABSENT:
        raise LinkError(
            "phone: bluetoothd does not run: install bluez and start it with "
            "`systemctl start bluetooth`"
        )
    raise LinkError(
        f"phone: BlueZ refuses this user ({name}): it may have to be in the group bluetooth"
    )


async def _answers(socket: Path) -> bool:
    """Tell whether a daemon listens there. One that this user may not ask is one."""
    try:
        async with asyncio.timeout(BUS_SECONDS):
            _, writer = await asyncio.open_unix_connection(socket)
    except PermissionError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True
