"""What a bridge of a site begins with: its TLS identity, keys, mandates and configuration.

    SITE/bridges/NAME/hubbridge.toml, and what that names

Laws:
1. Made again, a bridge keeps its keys. Its certificate and its mandates are newer ones.
2. All bridges of a site have one key for orders: a mandate for another one would end it.
3. What is exported for its machine lies as that machine wants it: `hubbridge/` for /etc/hubbridge,
   and `credstore/` for /etc/credstore, which holds all that is secret and nothing else.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from hubbridge.config import BACKEND_PORT, Backend
from hubcore.bridge.ceilings.devices import DeviceCeiling
from hubcore.bridge.ceilings.guests import GuestCeiling
from hubcore.bridge.mandate import Use, issue_mandate, new_mandate
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsName, TlsRole, pem_of
from hubsim.phone.wallet import write_private
from hubsim.site.authority import certify_tls, open_authority, public_of
from hubsim.site.documents import HUB_DAYS, Validity, make_key, pem, read_ec_key
from hubsim.site.folder import FIRST_OPERATOR, Site, keep_out_of_git, write_public
from hubsim.site.making import AUTHORITY, TLS_CERTIFICATE, check_id

TLS_KEY = "tls.key"
ISSUER = "issuer.cbor"
TESTIMONY_KEY = "testimony.key"
ORDERS_KEY = "orders.key"
CONFIG = "hubbridge.toml"
RECORDS = "bridge.db"
SOCKET = "hubbridge.sock"
KEYS = ((Use.ORDERS, ORDERS_KEY), (Use.TESTIMONY, TESTIMONY_KEY))
"""What the keys of a bridge are for, and their files."""
_GATEWAY = re.compile(r"([a-z0-9-]{1,32})=(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]]+))(?::([0-9]{1,5}))?")


def make_bridge(
    site: Site,
    bridge: str,
    days: float = HUB_DAYS,
    listen: str = "127.0.0.1",
    port: int = 7715,
    guests: GuestCeiling | None = None,
    devices: DeviceCeiling | None = None,
    backend: Sequence[Backend] = (),
) -> Path:
    """Make what a bridge begins with; return its folder. Raise ValueError for no name.

    `guests` None: the site may let in no guests; `devices` None: it commands no device.
    `backend` are the gateways that it calls.
    """
    check_id("bridge", bridge)
    folder = site.path / "bridges" / bridge
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    validity = Validity.days(days)
    name = TlsName(site.name, TlsRole.BRIDGE, bridge)
    authority = open_authority(site.path)
    key = public_of(key_in(folder / TLS_KEY))
    write_public(folder / TLS_CERTIFICATE, pem_of(certify_tls(authority, name, key, validity)))
    write_public(folder / AUTHORITY, pem_of(authority.document))
    write_public(folder / ISSUER, cbor.encode(site.issuer.cose_key))
    _share_orders_key(site, folder)
    for use, file in KEYS:
        mandate = new_mandate(
            site=site.name,
            holder=bridge,
            use=use,
            key=key_in(folder / file).verify_key,
            not_before=validity.not_before,
            expires=validity.expires,
            now_ms=time.time_ns() // 1_000_000,
            guests=guests,
            devices=devices,
        )
        write_public(folder / _mandate_file(use), issue_mandate(mandate, site.issuer))
    text = _config(site, bridge, listen, port) + "".join(map(_gateway, backend))
    write_public(folder / CONFIG, text.encode())
    return folder


def export_bridge(folder: Path, directory: Path) -> None:
    """Write what a bridge's machine needs, from the folder that `make_bridge` has made (law 3).

    Raise FileExistsError for a directory that holds something.
    """
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} holds something already: name a new folder")
    public = directory / "hubbridge"
    store = directory / "credstore"
    for made in (directory, public, store):
        made.mkdir(parents=True, exist_ok=True, mode=0o700)
    keep_out_of_git(directory)
    for file in (TLS_CERTIFICATE, AUTHORITY, ISSUER, *(_mandate_file(use) for use, _ in KEYS)):
        write_public(public / file, (folder / file).read_bytes())
    text = (folder / CONFIG).read_text(encoding="utf-8")
    for file in (TLS_KEY, TESTIMONY_KEY, ORDERS_KEY):
        credential = file.replace(".", "_")
        write_private(store / f"hubbridge.{credential}", (folder / file).read_bytes())
        text = text.replace(f'"{file}"', f'"credential:{credential}"')
    text = text.replace(f'"{RECORDS}"', f'"/var/lib/hubbridge/{RECORDS}"')
    text = text.replace(f'socket = "{SOCKET}"\n', "")  # where its unit has it
    write_public(public / CONFIG, text.encode())


def _share_orders_key(site: Site, folder: Path) -> None:
    """Give a new bridge the key for orders that the others have (law 2)."""
    own = folder / ORDERS_KEY
    others = sorted((site.path / "bridges").glob(f"*/{ORDERS_KEY}"))
    if others and not own.exists():
        write_private(own, others[0].read_bytes())


def key_in(file: Path) -> SigningKey:
    """Return the key in a file; make it where there is none."""
    if not file.exists():
        write_private(file, pem(make_key()))
    return read_ec_key(file)


def _mandate_file(use: Use) -> str:
    return f"{use.name.lower()}.mandate"


def gateway_at(said: str) -> Backend:
    """Read NAME=HOST[:PORT]; an IPv6 address stands in brackets. Raise ValueError."""
    found = _GATEWAY.fullmatch(said)
    if found is None:
        raise ValueError(f"{said!r} is no NAME=HOST[:PORT]")
    name, address, host, port = found.groups()
    return Backend(name, address or host, int(port or BACKEND_PORT))


def _gateway(one: Backend) -> str:
    return f'[[backend]]\nname = "{one.name}"\nhost = "{one.host}"\nport = {one.port}\n'


def _config(site: Site, bridge: str, listen: str, port: int) -> str:
    mandates = ", ".join(f'"{_mandate_file(use)}"' for use, _ in KEYS)
    return (
        f'site = "{site.name}"\nname = "{bridge}"\nlisten = "{listen}"\nport = {port}\n'
        f'tls_key = "{TLS_KEY}"\ntls_certificate = "{TLS_CERTIFICATE}"\n'
        f'tls_authority = "{AUTHORITY}"\nissuer = "{ISSUER}"\n'
        f'testimony_key = "{TESTIMONY_KEY}"\norders_key = "{ORDERS_KEY}"\n'
        f"mandates = [{mandates}]\n"
        f'records = "{RECORDS}"\n'
        f'[api]\nsocket = "{SOCKET}"\noperator = "{FIRST_OPERATOR}"\n'
    )
