"""What a process finds by itself, with the rights and the keys that it has."""

from __future__ import annotations

from collections.abc import Iterator

from hubcore.checks import CheckId, Severity, certificate_problem, tls_problem
from hubcore.errors import ConfigError
from hubcore.timing.moment import show_seconds
from hubd.adapters.keys.keyfiles import HubKeys, load_beacon, load_keys
from hubd.config.file import Config
from hubd.start.checkconfig import machine
from hubd.wiring.hardware import look_at_parts
from hubd.wiring.look.finding import Finding, FindingKind, fact, finding, found
from hubd.wiring.look.world import World
from hubd.wiring.uplinks import look_at_uplink


def findings(config: Config, world: World) -> Iterator[Finding]:
    """Yield all that is found of the keys, the machine and the state."""
    yield fact("hub", f"{config.hub.id} of site {config.hub.site}")
    try:
        keys = load_keys(config)
        load_beacon(config)
    except ConfigError as error:
        yield Finding(FindingKind.WRONG, "keys", str(error))
    else:
        yield from _certificate(config, keys, world.now())
        yield from _tls(config, keys, world.now())
        yield from _pkoc(config, keys, world.now())
        yield look_at_uplink(config, keys)
    yield from without_keys(config, world)
    yield from machine.state(config)


def _tls(config: Config, keys: HubKeys, now: float) -> Iterator[Finding]:
    """Yield what a technician compares with the site: the hub's name in TLS, until when."""
    file = config.keys.tls_certificate
    if keys.tls is None or file is None:
        return
    certified = keys.tls.certified
    yield fact("tls", f"{keys.tls.name.uri}, until {show_seconds(certified.expires)}")
    problem = tls_problem(certified.not_before, certified.expires, now, file.place)
    if problem is not None:
        yield finding(problem, "tls")


def _pkoc(config: Config, keys: HubKeys, now: float) -> Iterator[Finding]:
    """Yield where phones that others make are met, and whether they will believe the reader."""
    section = config.pkoc
    if section is None or keys.pkoc is None:
        return
    signer = "the site's own key" if section.signs_as == "site" else "a key of its own"
    yield fact("pkoc", f"on at access point {section.access_point}; the reader signs by {signer}")
    certified = keys.pkoc.certified
    file = config.keys.pkoc_certificate
    if certified is not None and file is not None and not certified.holds(now):
        begins = "ever" if certified.not_before is None else show_seconds(certified.not_before)
        ends = "ever" if certified.not_after is None else show_seconds(certified.not_after)
        span = f"from {begins} to {ends}"
        yield found(CheckId.PKOC_CERTIFICATE, "pkoc", file=file.place, span=span)


def without_keys(config: Config, world: World) -> Iterator[Finding]:
    """Yield what is found without the keys, and without the state, which is the unit's user's."""
    yield machine.time_zone(config, world.now())
    yield from look_at_parts(config, world)
    yield from machine.clock(world.sys)
    yield from machine.time_service(world.kernel_time())


def _certificate(config: Config, keys: HubKeys, now: float) -> Iterator[Finding]:
    """Yield what a technician compares with the order: which access points, until when."""
    certified = keys.in_force.certified
    problem = certificate_problem(
        begins=certified.not_before,
        expires=certified.expires,
        now=now,
        file=config.keys.certificate.place,
    )
    if problem is None or problem.severity is Severity.WARNING:
        points = ", ".join(map(str, certified.access_points))
        until = show_seconds(certified.expires)
        yield fact("certificate", f"access points {points}, until {until}")
    if problem is not None:
        yield finding(problem, "certificate")
