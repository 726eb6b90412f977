"""The S0 key of a Z-Wave network, as a file: 16 bytes as 32 hexadecimal digits.

Laws:
1. The key is in no sentence and no repr.
2. A file that others may read is refused, unless systemd has handed it over.
3. Keys that are printed in programs and manuals are refused: everybody has them.
"""

from __future__ import annotations

import os
import re
import stat

from hubd.config.keys import KeyFile

KEY_BYTES = 16
FILE_BYTES_MAX = 256
WANTED = "32 hexadecimal digits, or 16 numbers as in OpenZWave's options.xml (0x.., 0x..)"
PUBLIC_KEYS = frozenset({bytes(range(1, 17)), bytes(range(16))})
"""The example of OpenZWave's own options.xml, and its neighbour in many manuals."""
_SEPARATORS = re.compile(rb"0[xX]|[\s,:]")


def read_network_key(file: KeyFile | None) -> bytes:
    """Return the key in a file, b'' where none is configured. Raise ValueError or OSError."""
    if file is None:
        return b""
    descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{file.place}: expected a file, found something else")
        if not file.credential and status.st_mode & 0o077:
            raise ValueError(f"{file.place}: others may read it; type: chmod 600 {file.path}")
        text = stream.read(FILE_BYTES_MAX + 1)
    return parse_network_key(text, file.place)


def parse_network_key(text: bytes, place: str) -> bytes:
    """Return the key that a file's text holds. Raise ValueError."""
    digits = _SEPARATORS.sub(b"", text)
    if len(text) > FILE_BYTES_MAX or not re.fullmatch(rb"[0-9a-fA-F]{32}", digits):
        raise ValueError(f"{place}: expected {WANTED}")
    key = bytes.fromhex(digits.decode("ascii"))
    if key in PUBLIC_KEYS or len(set(key)) == 1:
        raise ValueError(
            f"{place}: this key is printed in manuals, so it protects nothing; give the network "
            "another one, and include its secure nodes again"
        )
    return key
