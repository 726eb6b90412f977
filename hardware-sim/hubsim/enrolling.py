"""Enrols the hub of a stage as a real one is enrolled: token, `hubctl enroll`, approval.

Laws:
1. The hub's keys are made by `hubctl enroll`, in a folder that stands for the hub's disk.
2. The approval compares the fingerprint that `hubctl` showed with the one at the backend.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from hubcore.codec import cbor
from hubcore.codec.cose import read_key
from hubsim import site as sites
from hubsim.site import DeskDoor, Site
from hubsim.site.hubfiles import FILE_OF_KEY

DISK = "disk"
"""The folder, in the stage's, that stands for the disk of the hub."""
_FINGERPRINT = "fingerprint of this machine: "
_SECONDS = 60.0


class Installation(Protocol):
    """What is asked of the stage (`hubsim.stage`)."""

    path: Path
    site: Site
    doors: tuple[DeskDoor, ...]

    async def backend(self, do: str, **order: object) -> dict[str, Any]:
        """Give the backend an order."""

    async def until(self, condition: Callable[[], Any], what: str) -> float:
        """Wait until the condition is true."""


async def enrol_first_hub(stage: Installation) -> str:
    """Enrol the first hub of a stage's site, whose backend runs; return the fingerprint."""
    site = stage.site
    names = {str(door.access_point): door.name for door in stage.doors}
    promised = await stage.backend(
        "enrol", hub=site.first_hub, names=names, time_zone="Europe/Berlin"
    )
    disk = stage.path / DISK
    hubctl = await start_enroll(await enrolment_port(stage), promised["token"], disk)
    try:
        async with asyncio.timeout(_SECONDS):
            fingerprint = await _shown(hubctl)
            await approve(stage, site.first_hub, fingerprint)
            status = await hubctl.wait()
    finally:
        if hubctl.returncode is None:
            hubctl.kill()
            await hubctl.wait()
    if status != 0:
        raise ValueError("hubctl enroll did not enrol the hub")
    hand_over(disk, site.hub)
    return fingerprint


async def enrolment_port(stage: Installation) -> int:
    """Return where new hubs come."""
    answer = await stage.backend("enrolments")
    return int(answer["port"])


async def start_enroll(
    port: int, token: str, disk: Path, more: Sequence[str] = ()
) -> asyncio.subprocess.Process:
    """Start `hubctl enroll` for the machine that has this disk; its token comes by its input."""
    command = (sys.executable, "-m", "hubctl.main", "enroll", f"127.0.0.1:{port}")
    process = await asyncio.create_subprocess_exec(
        *command,
        *("--root", str(disk), "--plain", "--token-file", "-", *more),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(token.encode() + b"\n")
    process.stdin.close()
    return process


async def approve(stage: Installation, hub: str, fingerprint: str) -> None:
    """Approve a machine once it has asked with this fingerprint. Raise ValueError for another."""
    entry: dict[str, Any] = {}

    async def asked() -> bool:
        nonlocal entry
        entry = (await stage.backend("enrolments"))["enrolments"][hub]
        return bool(entry["fingerprint"])

    await stage.until(asked, "the new hub asks the backend")
    if entry["fingerprint"] != fingerprint:
        raise ValueError(f"another machine asks: {entry['fingerprint']}")
    key = read_key(cbor.decode(bytes.fromhex(entry["identity"])))
    tls_key = bytes.fromhex(entry["tls_key"])
    made = sites.certify_new(stage.site, hub, key, tls_key, entry["points"])
    await stage.backend(
        "approve",
        hub=hub,
        certificate=made.certificate.hex(),
        tls_certificate=made.tls_certificate.hex(),
    )


def hand_over(disk: Path, folder: Path) -> None:
    """Put the keys of a disk where a desk's hub reads them, as systemd does for the unit."""
    for name, file in FILE_OF_KEY.items():
        held = disk / "etc/credstore" / f"hubd.{name}"
        if held.exists():
            shutil.copy(held, folder / file)


async def _shown(hubctl: asyncio.subprocess.Process) -> str:
    """Return the fingerprint that hubctl shows. Raise ValueError when it shows none."""
    assert hubctl.stderr is not None
    said = b""
    while line := await hubctl.stderr.readline():
        said += line
        text = line.decode().strip()
        if text.startswith(_FINGERPRINT):
            return text.removeprefix(_FINGERPRINT)
    raise ValueError(f"hubctl enroll said: {said.decode(errors='replace')}")
