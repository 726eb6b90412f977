"""What a hub finds wrong with itself, in words: each check, since when, and what mends it.

Laws:
1. It is the hub's own word of a moment: nobody has proven it, and the page says of when it is.
2. A hub of which nothing is here is told as that, never as well.
3. A check that this version does not know is shown by its name.
4. Moments are those of the engine's clock less an age, so the hub's own clock changes nothing.
5. No value raises anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from hubcore.afar import told
from hubcore.backend.uplink import codec
from hubcore.backend.uplink.health import HealthState, Trouble, TroubleSeverity
from hubcore.errors import FrameError

SILENT = (
    "Nothing is here of what it finds wrong with itself: a version before this tells nothing, or "
    "the gateway may not keep it (then its journal says so). At the hub: hubctl status."
)
UNREADABLE = (
    "What it tells of itself cannot be read: it may be of a newer version than this server. At the "
    "hub: hubctl status."
)
_LAST_WORD: Mapping[bool | None, str] = {
    True: "",
    False: "That is its last word: it is away.",
    None: "That is its last word: nobody knows whether it is connected.",
}
ALL_WELL = "It finds nothing wrong with itself"


@dataclass(frozen=True, slots=True)
class ShownTrouble:
    """A check that has failed: sentences, and since when at least."""

    what: str
    remedy: str
    since: str
    is_grave: bool


@dataclass(frozen=True, slots=True)
class ShownHealth:
    """What a hub has told of itself; `said` says of when that is, or why there is nothing."""

    said: str
    troubles: tuple[ShownTrouble, ...] = ()
    more: int = 0
    """Troubles that found no room in what it said."""

    @property
    def short(self) -> str:
        """The gravest, and how many more, in one sentence or two; "" where nothing is wrong.

        So a hub that tells much does not hide what others tell.
        """
        if not self.troubles:
            return ""
        rest = len(self.troubles) - 1 + self.more
        beside = f" {rest} more on its page." if rest else ""
        return f"It says: {self.troubles[0].what}{beside} {self.troubles[0].remedy}"


def health(said: bytes, said_at: datetime | None, is_here: bool | None) -> ShownHealth:
    """Return what a hub has told last, and when; `is_here` is None while nobody knows."""
    if not said or said_at is None:
        return ShownHealth(SILENT)
    found = _read(said)
    if found is None:
        return ShownHealth(UNREADABLE)
    troubles = tuple(_shown(one, said_at) for one in found.troubles)
    sentence = _sentence(bool(troubles), said_at, is_here)
    return ShownHealth(sentence, troubles=troubles, more=found.more)


def _read(value: bytes) -> HealthState | None:
    try:
        message = codec.decode_from_hub(value)
    except FrameError:
        return None
    return message if isinstance(message, HealthState) else None


def _sentence(is_unwell: bool, said_at: datetime, is_here: bool | None) -> str:
    """Say of when the word is: a hub that is not connected may be otherwise by now."""
    what = "It tells what is wrong with it" if is_unwell else ALL_WELL
    return f"{what}, as it said at {_moment(said_at)}. {_LAST_WORD[is_here]}".strip()


def _shown(trouble: Trouble, said_at: datetime) -> ShownTrouble:
    parts = list(trouble.parts)
    if trouble.more:
        parts.append(f"{trouble.more} more")
    text = told(trouble.code, parts)
    return ShownTrouble(
        what=text.what,
        remedy=text.remedy,
        since=_moment(_before(said_at, trouble.age_seconds)),
        is_grave=trouble.severity is TroubleSeverity.ERROR,
    )


def _before(moment: datetime, seconds: int) -> datetime:
    try:
        return moment - timedelta(seconds=seconds)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) + timedelta(days=2)


def _moment(moment: datetime) -> str:
    try:
        return f"{timezone.localtime(moment):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return "a moment that no calendar has"
