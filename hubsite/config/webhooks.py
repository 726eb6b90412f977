"""`[webhooks]`: where webhooks may lead, and for how long they are tried.

Law: without a word in the file they lead to public addresses alone.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, field

from hubsite.pins.words import Pins

_HOST = Annotated[str, Meta(pattern=r"\A[a-z0-9.:-]{1,253}(?<!\.)\Z")]
_HOSTS_MAX = 64


class Webhooks(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`authority` is a file in PEM: who vouches for receivers; "" for those of the system.

    `pins` are by host, in small letters: its receivers show one of these keys.
    """

    private_addresses: bool = False
    authority: str = ""
    days: Annotated[int, Meta(ge=1, le=30)] = 3
    pins: Annotated[dict[_HOST, Pins], Meta(max_length=_HOSTS_MAX)] = field(default_factory=dict)

    def pins_of(self, host: str) -> Pins:
        """Return the pins of a host, none for one without."""
        return self.pins.get(host.lower().rstrip("."), ())
