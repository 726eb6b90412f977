"""Joins the parts of `hubissuer serve`, and runs them until a signal comes."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.codec.cose import SigningKey
from hubcore.codec.tls import TlsRole
from hubcore.errors import ConfigError
from hubcore.phone.certificates import HubCertificate
from hubcore.ports.clock import ClockState
from hubcore.timing.lines import LinePace
from hubgateway.config import place_of
from hubgateway.issuer.holding.kinds import HeldKey, open_key
from hubgateway.issuer.holding.secrets import secret_from
from hubgateway.issuer.signing.config import (
    SigningConfig,
    Tls,
    callers_of,
    card_key_of,
    limits_of,
    load_signing,
)
from hubgateway.issuer.signing.desk import Desk, open_desk
from hubgateway.issuer.signing.ports import TlsTalks, UnixPort
from hubgateway.issuer.signing.signer import Signer
from hubgateway.issuer.signing.talk import Talks
from hubtls.identity import Identity, IdentityFiles, load_identity


class SystemClock:
    """`hubcore.ports.clock.Clock` of the signer's machine, which keeps the time."""

    def wall(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def state(self) -> ClockState:
        """It is trusted: the machine is the issuer's own."""
        return ClockState.TRUSTED


class Journal:
    """Tells people, at a pace that no caller sets."""

    def __init__(self) -> None:
        self._lines = LinePace()

    def tell(self, source: str, text: str) -> None:
        """See `talk.Told`."""
        line = self._lines.line(source, text, time.monotonic())
        if line is not None:
            complain(line)


def complain(text: str) -> None:
    """Tell people."""
    print(f"hubissuer: {text}", file=sys.stderr, flush=True)  # noqa: T201


@dataclass(frozen=True, slots=True)
class Opened:
    """What the configuration names, read and checked. The signer is used on `thread` alone."""

    config: SigningConfig
    file: Path
    held: HeldKey
    signer: Signer
    callers: dict[int, str]
    identity: Identity | None
    thread: ThreadPoolExecutor
    desk: Desk | None = None


def open_signing(file: Path) -> Opened:
    """Open what a configuration names. Raise HubError."""
    config = load_signing(file)
    callers = {} if config.unix is None else callers_of(config.unix)
    identity = None if config.tls is None else _identity(config.tls, config.site, file)
    secret = secret_from(config.issuer_secret, file, "issuer_secret")
    held = open_key("issuer_key", config.issuer_key, file, secret)
    folder = place_of(config.folder, file)
    if not folder.is_dir():
        raise ConfigError(f"folder {folder}: it is no folder")
    limits = limits_of(config, file, held.key.verify_key)
    signer = Signer(
        key=held.key,
        trial=SigningKey(ec.generate_private_key(ec.SECP256R1())),
        limits=limits,
        folder=folder,
        wall=time.time,
        monotonic=time.monotonic,
        card_key=card_key_of(config, file),
    )
    thread = ThreadPoolExecutor(1, "signing")

    def heard(made: HubCertificate, document: bytes) -> None:
        thread.submit(signer.note, made, document).result()

    desk = None
    if config.enrolment is not None:
        try:
            seconds = limits.certificate_seconds
            desk = open_desk(config.enrolment, config.site, held.key, file, seconds, heard)
        except BaseException:
            signer.close()
            raise
    return Opened(config, file, held, signer, callers, identity, thread, desk)


def _identity(tls: Tls, site: str, file: Path) -> Identity:
    files = IdentityFiles(
        key=place_of(tls.tls_key, file),
        certificate=place_of(tls.tls_certificate, file),
        authority=place_of(tls.tls_authority, file),
    )
    return load_identity(site, TlsRole.ISSUER, tls.name, files)


async def serve(opened: Opened, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is given where. Raise HubError."""
    # The thread ends before the log is given up.
    with closing(opened.signer), opened.thread:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(_serve_all(opened, ready))
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.add_signal_handler(number, serving.cancel)


async def _serve_all(opened: Opened, ready: Callable[[str], None]) -> None:
    told = Journal()
    talks = Talks(opened.signer, opened.thread, told, time.monotonic, desk=opened.desk)
    config = opened.config
    where = []
    async with asyncio.TaskGroup() as group:
        if config.unix is not None:
            is_ready = asyncio.Event()
            path = place_of(config.unix.socket, opened.file)
            port = UnixPort(path, opened.callers, talks, told)
            group.create_task(port.serve(is_ready))
            await is_ready.wait()
            where.append(str(path))
        if config.tls is not None and opened.identity is not None:
            is_ready = asyncio.Event()
            servers = frozenset(config.tls.servers)
            by_tls = TlsTalks(opened.identity, servers, talks, told, SystemClock())
            tls = by_tls.port(config.tls.listen, config.tls.port)
            group.create_task(tls.serve(is_ready))
            await is_ready.wait()
            where.append(f"port {tls.port}")
        ready(" and ".join(where))
