"""The steps to a bridge of the site: its address, then TLS with the whole name of its certificate.

Where the configuration has no address, the search for one comes first.

Laws:
1. No certificate and no key of this hub is shown. So the bridge ends the connection, after it has
   proven itself: that is a good end.
2. A bridge is proven by the site's authority alone. Where this machine may not read it, what the
   certificate says is shown as not proven.
3. Nothing is sent but TLS: no message, no Hello.
4. Each step has a time limit, and no byte of the other end is read after its certificate.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace

from hubcore.codec.tls import (
    NO_CHECK_TIME,
    TlsCertificate,
    TlsName,
    TlsRole,
    pem_of,
    read_certificate,
)
from hubcore.errors import LinkError, TrustError
from hubcore.ports.bridge import LineFault
from hubcore.timing.moment import show_seconds
from hubd.adapters.bridge.faults import fault_of
from hubd.adapters.bridge.search import Place, Sought, search
from hubd.netcheck.causes import Cause, of_connect
from hubd.netcheck.steps import Limits, State, Step, since

SEARCH = "bridge-search"
CONNECT = "bridge-connect"
TLS = "bridge-tls"

_OF_FAULT: Mapping[LineFault, Cause] = {
    LineFault.SILENT: Cause.SILENT,
    LineFault.REFUSED: Cause.REFUSED,
    LineFault.NO_ROUTE: Cause.NO_ROUTE,
    LineFault.NOT_TLS: Cause.NOT_TLS,
    LineFault.OTHER_AUTHORITY: Cause.OTHER_AUTHORITY,
    LineFault.OTHER_NAME: Cause.OTHER_NAME,
    LineFault.NOT_LET_IN: Cause.NOT_TLS,
    LineFault.ENDED: Cause.OTHER_NAME,
    LineFault.OWN_KEYS: Cause.BROKEN,
    LineFault.BROKEN: Cause.BROKEN,
}
"""Of the handshake: an alert before the certificate has come says that TLS 1.3 is not spoken."""


Searching = Callable[[Sought], Awaitable[list[Place]]]


@dataclass(frozen=True, slots=True)
class BridgeTarget:
    """A bridge of the configuration. `authority`: in DER; None where it cannot be read.

    `search_from`: the address of this machine from which it is searched for, "" for one whose
    address is known.
    """

    site: str
    bridge: str
    address: str
    port: int
    authority: bytes | None
    search_from: str = ""

    @property
    def name(self) -> TlsName:
        """What its certificate must be for."""
        return TlsName(self.site, TlsRole.BRIDGE, self.bridge)


async def walk_to_bridge(
    target: BridgeTarget, limits: Limits, now: float, searching: Searching = search
) -> list[Step]:
    """Take each step to one bridge, as far as it goes; `now` in Unix seconds."""
    if not target.search_from:
        return await _walk_to(target, limits, now)
    try:
        places = await searching(Sought(target.bridge, target.search_from))
    except LinkError as error:
        return [_failed(SEARCH, str(error), Cause.NO_ROUTE, target)]
    if not places:
        what = f"nobody answers the search for {target.bridge} from {target.search_from}"
        return [_failed(SEARCH, what, Cause.NOT_FOUND, target)]
    where = ", ".join(f"{one.host} port {one.port}" for one in places)
    steps = [Step(SEARCH, State.OK, f"{target.bridge}: {where}", bridge=target.bridge)]
    for place in places:
        found = replace(target, address=place.host, port=place.port, search_from="")
        steps += await _walk_to(found, limits, now)
    return steps


async def _walk_to(target: BridgeTarget, limits: Limits, now: float) -> list[Step]:
    began = time.monotonic()
    where = f"{target.bridge} at {target.address} port {target.port}"
    try:
        async with asyncio.timeout(limits.connect_seconds):
            _, writer = await asyncio.open_connection(target.address, target.port)
    except OSError as error:
        why = error.strerror or "nothing answers"
        return [_failed(CONNECT, f"{where}: {why}", of_connect(error), target)]
    writer.transport.abort()
    reached = Step(
        CONNECT,
        State.OK,
        where,
        milliseconds=since(began),
        family=_family(target),
        bridge=target.bridge,
    )
    return [reached, await _prove(target, limits, now)]


async def _prove(target: BridgeTarget, limits: Limits, now: float) -> Step:
    """Make the handshake as somebody without a certificate."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(limits.curve_seconds):
            _, writer = await asyncio.open_connection(
                target.address,
                target.port,
                ssl=_context(target.authority),
                server_hostname=target.name.dns,
            )
    except TimeoutError:
        return _failed(TLS, f"{target.bridge} said nothing", Cause.SILENT, target)
    except OSError as error:
        return _failed(TLS, str(error), _OF_FAULT[fault_of(error)], target)
    shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True) or b""
    writer.transport.abort()
    if target.authority is None:
        what = "TLS 1.3 is spoken there; whose certificate it is was not asked"
        return Step(TLS, State.UNKNOWN, what, Cause.NO_AUTHORITY, bridge=target.bridge)
    try:
        certified = read_certificate(shown, target.authority, target.name)
    except TrustError as error:
        return _failed(TLS, str(error), Cause.OTHER_NAME, target)
    return _judged(certified, target, now, since(began))


def _judged(
    certified: TlsCertificate, target: BridgeTarget, now: float, milliseconds: float
) -> Step:
    """Tell the date of a certificate that was proven: hubd goes on with one that has ended."""
    has_ended = certified.expires < now
    ends = f"{'ended' if has_ended else 'ends'} on {show_seconds(certified.expires)}"
    return Step(
        id=TLS,
        state=State.WARNING if has_ended else State.OK,
        what=f"it has proven to be {target.name.uri}; its certificate {ends}",
        cause=Cause.ENDED if has_ended else None,
        milliseconds=milliseconds,
        bridge=target.bridge,
    )


def _context(authority: bytes | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.verify_flags |= ssl.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.load_verify_locations(cadata=pem_of(authority).decode("ascii"))
    return context


def _failed(step: str, what: str, cause: Cause, target: BridgeTarget) -> Step:
    family = _family(target) if step == CONNECT else None
    return Step(step, State.FAILED, what, cause, family=family, bridge=target.bridge)


def _family(target: BridgeTarget) -> str:
    return "ipv6" if ":" in target.address else "ipv4"
