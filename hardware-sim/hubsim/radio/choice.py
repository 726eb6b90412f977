"""The radios that a command can use: a simulated controller, or this machine's own adapter.

Law: anything else is refused with an example, before anything starts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from hubsim.phone.radio import FoundLink

DEFAULT_RADIO = "tcp-client:127.0.0.1:8870"
PORT_MAX = 65535
PORT_DIGITS_MAX = 5
BLEAK = "bleak"
BLESS = "bless"
PHONE_RADIO_HELP = "bumble's name of an HCI transport, or bleak for this machine's own adapter"
HUB_RADIO_HELP = (
    "bumble's name of an HCI transport, or bless for this machine's own adapter "
    "(for macOS and Windows)"
)


def address(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, int]:
    """Read HOST:PORT."""
    host, _, port = text.rpartition(":")
    is_number = port.isascii() and port.isdigit() and len(port) <= PORT_DIGITS_MAX
    if not host or not is_number or int(port) > PORT_MAX:
        raise click.BadParameter(f"{text!r} is no HOST:PORT such as 127.0.0.1:8870")
    return host.strip("[]"), int(port)


def hci_transport(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Check bumble's name of a transport."""
    scheme, _, rest = text.partition(":")
    module = scheme.replace("-", "_")
    known = module.isidentifier() and importlib.util.find_spec(f"bumble.transport.{module}")
    if not known:
        raise click.BadParameter(f"{text!r} is no transport such as {DEFAULT_RADIO}")
    if scheme == "tcp-client":
        address(context, parameter, rest)
    return text


def phone_radio(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Check what a phone's --radio says."""
    return text if text == BLEAK else hci_transport(context, parameter, text)


def hub_radio(context: click.Context, parameter: click.Parameter, text: str) -> str:
    """Check what a hub's --radio says."""
    return text if text == BLESS else hci_transport(context, parameter, text)


@asynccontextmanager
async def connected(
    transport: str,
    adapter: str,
    mtu: int,
    beacon_key: bytes | None,
    passed_by: frozenset[str],
) -> AsyncIterator[FoundLink]:
    """Connect a phone to a hub that it has not passed by, over the radio named by `transport`."""
    if transport == BLEAK:
        from hubsim.phone.bleak.radio import connect as connect_really

        async with connect_really(adapter, mtu, beacon_key, passed_by) as link:
            yield link
    else:
        from hubsim.phone.radio import connect, on_air

        async with (
            on_air(transport) as device,
            connect(device, mtu, beacon_key=beacon_key, passed_by=passed_by) as simulated,
        ):
            yield simulated
