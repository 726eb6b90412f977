"""What the hub said last, or why it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

Document = Mapping[str, Any]


class Seen(NamedTuple):
    """The documents of one asking.

    One that is None was not measured: an older hubd has no such call.
    `trouble` is a sentence, cleaned: why the hub answers nothing. Then nothing else is there.
    `exit_status` is how hubctl would end now.
    """

    exit_status: int
    status: Document | None = None
    measured: Document | None = None
    radio: Document | None = None
    trace: Document | None = None
    trouble: str = ""
    code: str = ""
