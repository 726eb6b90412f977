"""What the files that are there say, beside what is typed.

Laws:
1. What is typed, and stands otherwise in a file, is refused with both, before anything is made.
2. What is not typed is as the first file says that says it; else it has its default.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hubcore.errors import ConfigError
from hubgateway.config import load, load_issuer
from hubgateway.issuer.signing.config import load_signing
from hubsite import config
from hubsite.setup import places
from hubsite.setup.disk import Disk
from hubsite.setup.typed import spans_of

_ENGINE = re.compile(r"nats://(?:127\.0\.0\.1|localhost):([0-9]{1,5})")
_PORT_OF = r"(?m)^\s*{}\s*[:=]\s*\"?(\S*:)?([0-9]{{1,5}})\"?\s*$"


@dataclass(frozen=True, slots=True)
class Said:
    """What one file says for an option: each word that fits it, and how a person reads it."""

    place: str
    option: str
    fits: tuple[str, ...]
    shown: str


def settle(disk: Disk, typed: dict[str, str], otherwise: dict[str, str]) -> dict[str, str]:
    """Return what counts for each option; `otherwise` has defaults. Raise ConfigError."""
    settled = dict(typed)
    for said in _standing(disk):
        if said.option in typed and typed[said.option] not in said.fits:
            raise ConfigError(
                f"{disk.at(said.place)} says {said.option.removeprefix('--')} {said.shown}, and "
                f"this line says {typed[said.option]}: leave {said.option} out, or change the file"
            )
        if said.fits:
            settled.setdefault(said.option, said.fits[0])
    return {**otherwise, **settled}


def _standing(disk: Disk) -> Iterator[Said]:
    """Yield what each file says that is there."""
    readers = {
        places.SERVER_FILE: _server,
        places.ENGINE_FILE: _engine,
        places.GATEWAY_FILE: _gateway,
        places.SIGNING_FILE: _signing,
        places.ISSUER_FILE: _issuer,
    }
    for place, reader in readers.items():
        data = disk.read(place)
        if data is not None:
            yield from reader(disk, data)


def _server(disk: Disk, data: bytes) -> Iterator[Said]:
    place = places.SERVER_FILE
    server = config.parse(data, disk.at(place))
    if server.engine is None or server.signing is None:
        raise ConfigError(
            f"{disk.at(place)} is kept, but it has no [engine] and [signing] of this machine: mend "
            "it, or move it away; then type the same"
        )
    yield _one(place, "--site", server.site)
    yield Said(place, "--host", server.hosts, ", ".join(server.hosts))
    yield _one(place, "--listen", server.listen)
    yield _one(place, "--time-zone", server.time_zone)
    yield _at_engine(place, server.engine.servers)
    if server.new_hubs:
        yield _port(place, "--enrolment-port", server.new_hubs)


def _engine(_: Disk, data: bytes) -> Iterator[Said]:
    text = data.decode("utf-8", "replace")
    for option, key in (("--engine-port", "listen"), ("--monitor-port", "http")):
        found = re.search(_PORT_OF.format(key), text)
        if found:
            yield _port(places.ENGINE_FILE, option, found[2])


def _gateway(disk: Disk, _: bytes) -> Iterator[Said]:
    place = places.GATEWAY_FILE
    gateway = load(disk.at(place))
    yield _port(place, "--gateway-port", gateway.listen)
    yield _at_engine(place, gateway.servers)
    if gateway.enrolment is not None:
        yield _one(place, "--site", gateway.enrolment.site)
        yield _port(place, "--enrolment-port", gateway.enrolment.listen)


def _signing(disk: Disk, _: bytes) -> Iterator[Said]:
    place = places.SIGNING_FILE
    signing = load_signing(disk.at(place))
    yield _one(place, "--site", signing.site)
    if signing.enrolment is not None:
        points = spans_of(signing.enrolment.access_points)
        yield Said(place, "--access-points", (points,) if points else (), points or "none")
        yield _at_engine(place, signing.enrolment.servers)


def _issuer(disk: Disk, _: bytes) -> Iterator[Said]:
    place = places.ISSUER_FILE
    issuer = load_issuer(disk.at(place))
    yield _one(place, "--site", issuer.site)
    yield _at_engine(place, issuer.servers)


def _one(place: str, option: str, word: str) -> Said:
    return Said(place, option, (word,), word)


def _port(place: str, option: str, listen: str) -> Said:
    """Return a port; "*" is one that the system chooses, and none that could be typed."""
    port = listen.rpartition(":")[2]
    return Said(place, option, (str(int(port)),) if port.isdecimal() else (), port)


def _at_engine(place: str, servers: tuple[str, ...]) -> Said:
    """Return the engine's ports on this machine; one elsewhere has none that could be typed."""
    found = (_ENGINE.fullmatch(server) for server in servers)
    ports = tuple(match[1] for match in found if match)
    return Said(place, "--engine-port", ports, ", ".join(ports) or ", ".join(servers))
