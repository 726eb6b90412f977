"""Pressed images: as a small change of the image that runs, or by itself, so that less is fetched.

How it works: beside an image the list of images may have files of zstd (RFC 8878), made by
`zstd --patch-from` or without a reference. A hub that has such a file, proven, has zstd unpack it
into the slot. There the image is proven from the disk as ever.

Laws:
1. What comes out is nothing before the slot has proven it. A packed file saves bytes, and decides
   nothing.
2. zstd reads only bytes that the list of images has proven.
3. zstd is a process of its own, with a ceiling of memory and of time. More bytes than the image has
   are not read.
4. Where anything of this fails, the whole image is fetched.
"""

from __future__ import annotations

import os
import resource
import select
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hubcore.errors import StoreError, TrustError
from hubcore.update.image import IMAGE_BYTES_MAX, Image

ZSTD = "/usr/bin/zstd"
UNPACK_SECONDS = 600.0
SHARE_MAX = 2
"""A packed file is worth it if the image has at least so many times its bytes."""
_OTHER_BYTES = 64 * 1024 * 1024
_PIECE_BYTES = 65_536
_REFERENCE_HEX = 32
_SUFFIX = ".zst"


@dataclass(frozen=True, slots=True)
class Packed:
    """A packed file on the list of images; `is_change`: it needs the image that it changes."""

    name: str
    size: int
    digest: bytes
    is_change: bool


def change_name(image: str, reference: bytes) -> str:
    """Return the name of an image as a change of the one with this digest."""
    return f"{image}.from-{reference.hex()[:_REFERENCE_HEX]}{_SUFFIX}"


def pressed_name(image: str) -> str:
    """Return the name of an image pressed by itself."""
    return f"{image}{_SUFFIX}"


def is_packed_of(name: str, image: str) -> bool:
    """Tell whether this is a name of a packed file of this image."""
    return name == pressed_name(image) or (
        name.startswith(f"{image}.from-") and name.endswith(_SUFFIX)
    )


def is_worth_it(packed_bytes: int, image: Image) -> bool:
    """Tell whether a packed file of so many bytes saves something."""
    return 0 < packed_bytes * SHARE_MAX <= image.size


def unpack(
    packed: Path,
    reference: Path | None,
    image: Image,
    zstd: str = ZSTD,
    seconds: float = UNPACK_SECONDS,
) -> Iterator[bytes]:
    """Yield what zstd makes of a file, at most one piece more than the image has.

    Raise TrustError for what is no such file, StoreError where zstd cannot run.
    """
    command = [zstd, "-d", "-c", "-q", f"--memory={2 * IMAGE_BYTES_MAX}"]
    if reference is not None:
        command.append(f"--patch-from={reference}")
    ends = time.monotonic() + seconds
    try:
        process = subprocess.Popen(
            [*command, str(packed)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
    except OSError as error:
        raise StoreError(f"{zstd} cannot be started: {error.strerror or error}") from error
    with process:
        try:
            _bound(process.pid, image, reference)
            yield from _read(process, image.size, ends)
        finally:
            process.kill()


def _bound(pid: int, image: Image, reference: Path | None) -> None:
    """Give the process a ceiling of memory; one that has ended already needs none."""
    had = 0 if reference is None else reference.stat().st_size
    ceiling = 4 * (image.size + had) + _OTHER_BYTES
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (ceiling, ceiling))
    except ProcessLookupError:
        return


def _read(process: subprocess.Popen[bytes], size: int, ends: float) -> Iterator[bytes]:
    stream = process.stdout
    assert stream is not None  # noqa: S101 - it was asked for
    ready = select.poll()
    ready.register(stream, select.POLLIN)
    had = 0
    while had <= size:
        left = ends - time.monotonic()
        if left <= 0 or not ready.poll(1000 * left):
            raise TrustError("a packed image takes too long to unpack")
        piece = os.read(stream.fileno(), _PIECE_BYTES)
        if not piece:
            break
        had += len(piece)
        yield piece
    if had > size:
        return
    try:
        status = process.wait(max(0.0, ends - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TrustError("a packed image takes too long to unpack") from error
    if status != 0:
        raise TrustError("a packed image cannot be unpacked")
