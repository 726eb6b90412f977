"""What a version of hubd is for the update: an image with a name, a digest and a size.

Laws:
1. The digest is the image. Two images with one version and two digests are two images.
2. A name is harmless as a file's name: it has no slash and begins with no dot.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IMAGE_BYTES_MAX = 256 * 1024 * 1024
"""The largest image; one of today has some 80 MB, not pressed."""
DIGEST_BYTES = 32
"""SHA-256."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._+~-]{0,99}", re.ASCII)
"""`~` stands in the name of an image of a commit without a tag (`packaging/tree`)."""
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]{0,63}", re.ASCII)


def is_name(name: str) -> bool:
    """Tell whether this may be the name of a file that an update brings."""
    return _NAME.fullmatch(name) is not None


def is_version(version: str) -> bool:
    """Tell whether this may be a version."""
    return _VERSION.fullmatch(version) is not None


@dataclass(frozen=True, slots=True)
class Image:
    """One image of hubd; raise ValueError for what cannot be one."""

    name: str
    version: str
    digest: bytes
    size: int

    def __post_init__(self) -> None:
        """Look at every field once, so that an image that exists is one."""
        if not is_name(self.name):
            raise ValueError("an image's name has other characters than a file's")
        if not is_version(self.version):
            raise ValueError("an image's version has other characters than a version's")
        if len(self.digest) != DIGEST_BYTES:
            raise ValueError(f"an image's digest has {DIGEST_BYTES} bytes")
        if not 0 < self.size <= IMAGE_BYTES_MAX:
            raise ValueError(f"an image has 1..{IMAGE_BYTES_MAX} bytes")
