"""The reference backend as a process: the hubs' endpoint and the operators' socket of a site."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import zmq

from hubcore.errors import ConfigError
from hubsim.backend.admission.keyring import HubFiles
from hubsim.backend.control import Control, Orders
from hubsim.backend.router import Listening
from hubsim.backend.server import Backend
from hubsim.phone.wallet import write_private
from hubsim.site.certificates import Certificates

More = Callable[[Backend, asyncio.TaskGroup], Awaitable[Orders]]


async def serve_backend(
    directory: Path,
    endpoint: str,
    version_of: Callable[[bytes], int] = lambda _document: 0,
    ready: Callable[[Backend], None] = lambda _backend: None,
    more: More | None = None,
    certificates: Certificates | None = None,
    next_endpoint: str | None = None,
) -> None:
    """Serve the site in `directory` until cancelled; call `ready` when hubs and operators can come.

    `more` starts what runs beside the backend, and returns what operators may ask about it.

    Read `curve.secret` (Z85), `policy.cbor` and, at every handshake, `hubs/<hub>.curve.pub` (Z85).
    With `next_endpoint`: listen there as well, with the key in `curve.next.secret`, which is made
    when it is not there; its public key is in `curve.next.pub`.
    Write `records/<hub>.db` and `revoked`, and take orders on the unix socket `backend.sock`.
    Raise ConfigError.
    """
    try:
        secret = (directory / "curve.secret").read_text("ascii").strip()
        policy = _read_if_there(directory / "policy.cbor")
        next_listening = _next_listening(directory, next_endpoint)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"backend: the site in {directory} cannot be read: {error}") from error
    backend = Backend(
        endpoint=endpoint,
        secret=secret,
        hubs=HubFiles(directory / "hubs"),
        directory=directory,
        version_of=version_of,
        certificates=certificates,
        next_listening=next_listening,
    )
    if policy is not None:
        backend.policies.push_document(policy)
    refused: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(backend.serve())
            await backend.serving.wait()
            orders = {} if more is None else await more(backend, group)
            control = Control(backend, directory, orders)
            group.create_task(control.serve(lambda: ready(backend)))
    except* ConfigError as errors:
        refused.extend(errors.exceptions)
    if refused:
        raise refused[0]


def _next_listening(directory: Path, endpoint: str | None) -> Listening | None:
    """Return where to listen with the next key, which is made when it is not there."""
    if endpoint is None:
        return None
    path = directory / "curve.next.secret"
    if not path.exists():
        public, secret = zmq.curve_keypair()
        write_private(path, secret)
        (directory / "curve.next.pub").write_bytes(public)
    return Listening(endpoint, path.read_bytes().strip())


def _read_if_there(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
