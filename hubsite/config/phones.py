"""`[phones]`: what phones in a browser may do by themselves.

Law: without a word in the file a browser that has lost its key needs a new link.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import msgspec

from hubcore.errors import ConfigError


class Phones(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`come_back`: who proves the passkey of a phone connects another browser in its place."""

    come_back: bool = False


def check_phones(section: Phones, host: str, path: Path) -> None:
    """Look at `[phones]`; `host` is the first of `hosts`. Raise ConfigError."""
    if section.come_back and _is_address(host):
        raise ConfigError(
            f"{path}: phones.come_back: passkeys count at a name, and hosts begins with {host!r}. "
            "Put a name first, or leave this out"
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
