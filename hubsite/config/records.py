"""`[records]`: for how long, and how many, records of hubs are shown here.

Law: the engine has the owner's copy. What goes here is there still.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Records(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record stays for `keep_days`, and at most `keep_rows` of all hubs stay."""

    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    keep_rows: Annotated[int, Meta(ge=1000, le=20_000_000)] = 1_000_000
