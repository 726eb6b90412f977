"""Where new hubs come, and what all hubs of a site are told."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import zmq
from zmq.utils import z85

from hubcore.backend.enrolment.messages import ANY_HOST, FromBackend
from hubcore.backend.enrolment.ofsite import OfSite
from hubgateway.enrolment.port import EnrolmentPort
from hubsim.backend.control import Orders
from hubsim.backend.serve import More
from hubsim.backend.server import Backend
from hubsim.backend.voice import shout
from hubsim.durable import OWNER_ALONE, write_durably
from hubsim.enrolment.control import EnrolmentOrders
from hubsim.enrolment.desk import Desk
from hubsim.site.authority import authority_document
from hubsim.site.folder import Site

_EVERYWHERE = ("*", "0.0.0.0", "[::]")  # noqa: S104, compared with what the operator said


@dataclass(frozen=True, slots=True)
class EnrolmentPlace:
    """Where new hubs come, `port` and the one after it, and what they are told."""

    host: str
    port: int
    of_site: OfSite


def new_hubs_at(site: Site, listen: str, enrol_at: str, reached_at: tuple[str, ...]) -> More:
    """Return what opens the enrolment port beside a backend that serves hubs at `listen`."""
    host, port = _split(enrol_at)
    card_key = site.path / "card.key"
    of_site = OfSite(
        site=site.name,
        issuer=(site.path / "issuer.cbor").read_bytes(),
        tls_authority=authority_document(site.path),
        endpoints=reached_at or (ANY_HOST + _split(listen)[1],),
        server_keys=_server_keys(site.backend),
        beacon=site.beacon_key or b"",
        card_key=card_key.read_bytes() if card_key.exists() else b"",
    )
    place = EnrolmentPlace(
        host="" if host in _EVERYWHERE else host.strip("[]"),
        port=0 if port == "*" else int(port),
        of_site=of_site,
    )
    return partial(open_enrolment, site.backend, place)


async def open_enrolment(
    directory: Path,
    place: EnrolmentPlace,
    backend: Backend,
    group: asyncio.TaskGroup,
) -> Orders:
    """Open the enrolment port; return what operators may ask about it. Raise ConfigError."""
    secret = _enrolment_key(directory / "enrol.secret")
    desk = Desk(
        directory=directory,
        of_site=place.of_site,
        public=z85.decode(zmq.curve_public(secret)),
        gate=backend.gate,
        revoke=backend.revoke,
        begin_again=backend.begin_again,
        clock=time.time,
        monotonic=time.monotonic,
    )
    port = port_of(desk, place, secret)
    is_ready = asyncio.Event()
    group.create_task(port.serve(is_ready))
    await is_ready.wait()
    return EnrolmentOrders(desk, port.port).orders()


def port_of(desk: Desk, place: EnrolmentPlace, secret: bytes) -> EnrolmentPort:
    """Return the port at which this desk answers; `secret` is the enrolment key in Z85."""

    async def answer(data: bytes, curve: bytes) -> FromBackend | None:
        return desk.answer(data, z85.encode(curve).decode("ascii"))

    return EnrolmentPort(place.host, place.port, secret, place.of_site.site, answer, shout)


def _enrolment_key(path: Path) -> bytes:
    """Return the secret key that tokens know; make it at the first time."""
    if not path.exists():
        write_durably(path, zmq.curve_keypair()[1].decode("ascii"), OWNER_ALONE)
    return path.read_bytes().strip()


def _server_keys(folder: Path) -> tuple[bytes, ...]:
    """Return the backend's public keys: its own, and its next one while it changes."""
    files = [folder / "curve.pub", folder / "curve.next.pub"]
    return tuple(z85.decode(path.read_bytes()) for path in files if path.exists())


def _split(endpoint: str) -> tuple[str, str]:
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return host, port
