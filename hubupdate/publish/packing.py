"""Makes the packed files of an image (`hubupdate.packed`), and tries each as a hub will.

Law: what is not worth it, or does not give back the image, is not kept.
"""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from hubcore.errors import StoreError
from hubcore.update.image import Image
from hubupdate.packed import ZSTD, is_worth_it, unpack

LEVEL = 19
_SECONDS = 3600


def pack(image: Image, data: Path, reference: Path | None, packed: Path) -> bool:
    """Pack `data`, which is the image, as a change of `reference` or by itself.

    Return False, and leave no file, where it is not worth it. Raise StoreError.
    """
    packed.unlink(missing_ok=True)
    command = [ZSTD, "-q", f"-{LEVEL}", "--long=27", str(data), "-o", str(packed)]
    if reference is not None:
        command.append(f"--patch-from={reference}")
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreError(f"zstd makes nothing of {data}: {error}") from error
    if is_worth_it(packed.stat().st_size, image) and _gives_back(image, reference, packed):
        return True
    packed.unlink()
    return False


def _gives_back(image: Image, reference: Path | None, packed: Path) -> bool:
    digest = hashlib.sha256()
    for piece in unpack(packed, reference, image):
        digest.update(piece)
    return digest.digest() == image.digest
