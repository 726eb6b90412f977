"""The configurations of gateway, signer and server, as a machine that has all of them begins.

Laws:
1. What signs does about hubs what the page needs: new hubs, newer certificates, and few ends. It
   gives no machine another's place. Orders that open are signed only where that was said.
2. Programs find one another on this machine alone: by a socket, or at loopback.
"""

from __future__ import annotations

from dataclasses import dataclass

from hubsite.commands.begin import first_lines
from hubsite.config.places import NEW_HUBS_PORT
from hubsite.setup import places
from hubsite.setup.orders import SHUTTING, WHOLE, OrderLevel

SOCKET = "/run/hubissuer/sign.sock"
CARD_KEY = "credential:card_key"
"""As a unit hands it over, to the gateway and to what signs."""
NEW_HUBS_A_DAY = 5
ENDS_A_DAY = 1
_POINTS_A_LINE = 16


@dataclass(frozen=True, slots=True)
class Ports:
    """Where hubs come, and where the engine is. The port after `enrolment` is taken, too."""

    gateway: int = 7011
    enrolment: int = NEW_HUBS_PORT
    engine: int = 4222
    monitor: int = 8222

    @property
    def server(self) -> str:
        """Return the engine's address for programs of this machine."""
        return f"nats://127.0.0.1:{self.engine}"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the installer has typed.

    `orders` are as they were typed, or as they stand. `settles_orders`: a file that says otherwise
    is changed to that. `cards`: how many cards and phones of others a policy may name, None where
    nothing was typed.
    """

    site: str
    host: str
    listen: str
    points: tuple[int, ...]
    time_zone: str
    ports: Ports = Ports()
    orders: OrderLevel = OrderLevel.SHUTS
    settles_orders: bool = False
    cards: int | None = None


def gateway_text(wish: Wish) -> str:
    """Return the gateway's configuration."""
    ports = wish.ports
    return (
        "# The gateway of this site, by `hubsite setup`: config/hubgateway.toml has each key.\n"
        f'listen = "tcp://*:{ports.gateway}"\ncurve_secret = "credential:curve_secret"\n'
        f'servers = ["{ports.server}"]\ncredentials = "credential:engine_account"\n'
        f'\n[enrolment]\nlisten = "tcp://*:{ports.enrolment}"\n'
        f'secret = "credential:enrolment_secret"\nsite = "{wish.site}"\n'
        f'issuer = "{places.ISSUER}"\ntls_authority = "{places.AUTHORITY}"\n'
        "# Hubs find it where the machine asked.\n"
        f'endpoints = ["tcp://*:{ports.gateway}"]\n'
        "# Each hub that enrols gets it, for a reader that comes later.\n"
        f'card_key = "{CARD_KEY}"\n'
    )


def signing_text(wish: Wish, enrolment_key: str) -> str:
    """Return the configuration of `hubissuer serve`."""
    return (
        "# What signs for this site, by `hubsite setup`: config/signing.toml has each limit.\n"
        f'site = "{wish.site}"\nissuer_key = "credential:issuer_key"\n'
        f'folder = "/var/lib/hubissuer"\ncard_key = "{CARD_KEY}"\n'
        f'\n[unix]\nsocket = "{SOCKET}"\ncallers = ["{places.SERVER_USER}"]\n'
        f'\n[enrolment]\nservers = ["{wish.ports.server}"]\n'
        'credentials = "credential:engine_account"\n'
        f'enrolment_key = "{enrolment_key}"\nauthority_key = "credential:authority_key"\n'
        f'tls_authority = "{places.AUTHORITY}"\n'
        f"# Access points of the hubs that the server may have made and ended.\n"
        f"access_points = [{_points(wish.points)}]\n"
        f"new_hubs_a_day = {NEW_HUBS_A_DAY}\nends_a_day = {ENDS_A_DAY}\n"
        "\n# How many cards and phones of others: `hubsite setup --cards` changes it.\n"
        f"[limits]\ncards = {wish.cards or 0}\n"
        "\n# What whoever is an operator may order: `hubsite setup --orders` changes it.\n"
        f'[[operators]]\nname = "*"\n{_rights(wish)}'
    )


def issuer_text(wish: Wish, enrolment_key: str) -> str:
    """Return the configuration of the commands of `hubissuer`, for root at this machine."""
    return (
        "# For root's `hubissuer` at this machine: doors more, bridges, mandates.\n"
        f'site = "{wish.site}"\nservers = ["{wish.ports.server}"]\n'
        f'credentials = "{places.ISSUER_ACCOUNT}"\nissuer_key = "{places.ISSUER_KEY}"\n'
        f'authority_key = "{places.AUTHORITY_KEY}"\ntls_authority = "{places.AUTHORITY}"\n'
        f'enrolment_key = "{enrolment_key}"\n'
    )


def server_text(wish: Wish) -> str:
    """Return the configuration of the site's server."""
    return (
        "# The server of this site, by `hubsite setup`: config/hubsite.toml has each key.\n"
        f"{first_lines(wish.site, wish.host, wish.listen, places.DATABASE)}"
        f'time_zone = "{wish.time_zone}"\n'
        f'new_hubs = "{wish.host}:{wish.ports.enrolment}"\n'
        f'\n[signing]\nissuer = "{places.ISSUER}"\nsocket = "{SOCKET}"\n'
        f'\n[engine]\nservers = ["{wish.ports.server}"]\ncredentials = "engine.account"\n'
        f'tls_authority = "{places.AUTHORITY}"\n'
        "# What operators order from the pages: `hubsite setup --orders` changes it.\n"
        f"orders = {str(wish.orders is not OrderLevel.NONE).lower()}\n\n"
        f"[operators]\n{_rights(wish)}"
    )


def _rights(wish: Wish) -> str:
    words = WHOLE if wish.orders is OrderLevel.ALL else SHUTTING
    rights = ", ".join(f'"{word}"' for word in words)
    points = f"access_points = [{_points(wish.points)}]\n" if wish.orders is OrderLevel.ALL else ""
    return f"rights = [{rights}]\n{points}"


def _points(points: tuple[int, ...]) -> str:
    rows = [points[at : at + _POINTS_A_LINE] for at in range(0, len(points), _POINTS_A_LINE)]
    return "".join(f"\n    {', '.join(map(str, row))}," for row in rows) + "\n"
