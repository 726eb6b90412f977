"""`[webhooks]`: where webhooks may lead, and for how long they are tried.

Law: without a word in the file they lead to public addresses alone.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Webhooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`authority` is a file in PEM: who vouches for receivers; "" for those of the system."""

    private_addresses: bool = False
    authority: str = ""
    days: Annotated[int, Meta(ge=1, le=30)] = 3
