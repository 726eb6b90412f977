"""What a gateway of a site begins with, for its hubs and for its bridges.

    SITE/gateways/NAME/hubgateway.toml, and what that names

Laws:
1. Made again, a gateway keeps its keys. Its certificate and the mandate for receipts are newer.
2. All gateways of a site sign receipts by one key, SITE/receipts.key.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from hubcore.bridge.mandate import Use, issue_mandate, new_mandate
from hubcore.codec import cbor
from hubcore.codec.tls import TlsName, TlsRole, pem_of
from hubsim.bridge.files import ISSUER, TLS_KEY, key_in
from hubsim.phone.wallet import write_private
from hubsim.site.authority import certify_tls, open_authority, public_of
from hubsim.site.documents import HUB_DAYS, Validity
from hubsim.site.folder import Site, write_public
from hubsim.site.making import AUTHORITY, TLS_CERTIFICATE, check_id

RECEIPTS_KEY = "receipts.key"
RECEIPTS_MANDATE = "receipts.mandate"
CURVE_SECRET = "curve.secret"  # noqa: S105, its name
GATEWAY_CONFIG = "hubgateway.toml"


def make_gateway(
    site: Site,
    gateway: str,
    servers: Sequence[str],
    hubs: str = "tcp://127.0.0.1:7011",
    listen: str = "127.0.0.1",
    port: int = 7716,
    days: float = HUB_DAYS,
) -> Path:
    """Make what a gateway begins with; return its folder. Raise ValueError for no name.

    `servers` are the engine's. Hubs come to `hubs`, bridges to `listen` and `port`.
    """
    check_id("gateway", gateway)
    folder = site.path / "gateways" / gateway
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    validity = Validity.days(days)
    authority = open_authority(site.path)
    name = TlsName(site.name, TlsRole.BACKEND, gateway)
    certificate = certify_tls(authority, name, public_of(key_in(folder / TLS_KEY)), validity)
    write_public(folder / TLS_CERTIFICATE, pem_of(certificate))
    write_public(folder / AUTHORITY, pem_of(authority.document))
    write_public(folder / ISSUER, cbor.encode(site.issuer.cose_key))
    receipts = key_in(site.path / RECEIPTS_KEY)
    write_private(folder / RECEIPTS_KEY, (site.path / RECEIPTS_KEY).read_bytes())
    write_private(folder / CURVE_SECRET, (site.backend / CURVE_SECRET).read_bytes())
    mandate = new_mandate(
        site=site.name,
        holder="backend",
        use=Use.RECEIPTS,
        key=receipts.verify_key,
        not_before=validity.not_before,
        expires=validity.expires,
        now_ms=time.time_ns() // 1_000_000,
    )
    write_public(folder / RECEIPTS_MANDATE, issue_mandate(mandate, site.issuer))
    named = ", ".join(f'"{one}"' for one in servers)
    text = (
        f'listen = "{hubs}"\ncurve_secret = "{CURVE_SECRET}"\nservers = [{named}]\n\n'
        f'[bridges]\nsite = "{site.name}"\nname = "{gateway}"\nlisten = "{listen}"\n'
        f'port = {port}\ntls_key = "{TLS_KEY}"\ntls_certificate = "{TLS_CERTIFICATE}"\n'
        f'tls_authority = "{AUTHORITY}"\nissuer = "{ISSUER}"\nreceipts_key = "{RECEIPTS_KEY}"\n'
    )
    write_public(folder / GATEWAY_CONFIG, text.encode())
    return folder
