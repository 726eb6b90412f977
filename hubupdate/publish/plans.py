"""The director's plan as a person writes it: TOML, of which nothing is passed over.

Laws:
1. What is not known is refused: a misspelt word must not be a plan without that word.
2. Digest and size are those of the list of images, never a person's.
3. What is signed can be read by a hub: it was read again the way a hub reads it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tuf.api.metadata import Targets

from hubcore.calendar.schedule import Rule
from hubcore.errors import ConfigError, FrameError
from hubcore.update.image import Image
from hubcore.update.plan import PLAN_BYTES_MAX, Plan, Stage, read_plan, write_plan
from hubcore.update.tolerance import Tolerance
from hubupdate.publish.signed import SignedPlan

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WORDS = frozenset(
    {
        "image",
        "version",
        "canaries",
        "held",
        "hold_all",
        "areas",
        "tolerance",
        "stage",
        "window",
    }
)
_EXACT = 1e-6
_PER_CENT = 100


def read_plan_file(data: bytes, images: Targets, issued: int) -> SignedPlan:
    """Return a file's plan, to be signed. Raise ConfigError, which names what is wrong."""
    if len(data) > PLAN_BYTES_MAX:
        raise ConfigError(f"a plan has {PLAN_BYTES_MAX} bytes at most")
    try:
        words = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"the plan is no TOML: {error}") from error
    _only(words, _WORDS, "the plan")
    try:
        plan = Plan(
            issued=issued,
            image=_image(words, images),
            canaries=_hubs(words.get("canaries", []), "canaries"),
            stages=tuple(_stage(one) for one in _tables(words, "stage")),
            windows=tuple(_window(one) for one in _tables(words, "window")),
            held=_hubs(words.get("held", []), "held"),
            is_held=_is(words.get("hold_all", False), "hold_all"),
            areas=tuple(_hubs(one, "areas") for one in _list(words.get("areas", []), "areas")),
        )
        return SignedPlan(read_plan(write_plan(plan)), _tolerance(words))
    except (ValueError, FrameError) as error:
        raise ConfigError(f"the plan: {error}") from error


def _image(words: Mapping[str, Any], images: Targets) -> Image:
    name = _text(words.get("image"), "image")
    version = _text(words.get("version"), "version")
    listed = images.targets.get(name)
    if listed is None:
        raise ConfigError(f"the plan: {name} is not on the list of images")
    return Image(name, version, bytes.fromhex(listed.hashes["sha256"]), listed.length)


def _stage(words: Mapping[str, Any]) -> Stage:
    _only(words, frozenset({"begins", "percent"}), "a stage")
    begins = words.get("begins")
    if not isinstance(begins, datetime) or begins.tzinfo is None:
        raise ConfigError("a stage's `begins` is a date and a time with its zone")
    return Stage(int(begins.timestamp()), _share(words.get("percent"), "a stage"))


def _tolerance(words: Mapping[str, Any]) -> Tolerance | None:
    said = words.get("tolerance")
    if said is None:
        return None
    if not isinstance(said, dict):
        raise ConfigError("the plan: `tolerance` is written as [tolerance]")
    _only(said, frozenset({"failures", "percent"}), "the tolerance")
    failures = said.get("failures")
    if type(failures) is not int:
        raise ConfigError("the tolerance's `failures` is a whole number of hubs")
    return Tolerance(failures, _share(said.get("percent"), "the tolerance"))


def _share(percent: Any, whose: str) -> int:
    """Return hundredths of a per cent."""
    is_number = isinstance(percent, int | float) and not isinstance(percent, bool)
    if not is_number or not 0 <= percent <= _PER_CENT:
        raise ConfigError(f"{whose}: `percent` is a number of 0..100")
    share: int = round(percent * 100)
    if abs(share - percent * 100) > _EXACT:
        raise ConfigError(f"{whose}: `percent` has two decimals at most")
    return share


def _window(words: Mapping[str, Any]) -> Rule:
    _only(words, frozenset({"days", "start", "end"}), "a window")
    days = 0
    for day in _list(words.get("days", list(_DAYS)), "days"):
        if day not in _DAYS:
            raise ConfigError(f"a window's days are {', '.join(_DAYS)}, and not {day!r}")
        days |= 1 << _DAYS.index(day)
    start = _minute(words.get("start"))
    end = _minute(words.get("end"))
    if not days or start >= end:
        raise ConfigError("a window is empty; one over midnight is two windows")
    return Rule(days, start, end)


def _minute(value: Any) -> int:
    hour, colon, minute = value.partition(":") if isinstance(value, str) else ("", "", "")
    digits = hour + minute
    is_time = colon and len(hour) == len(minute) == 2 and digits.isascii() and digits.isdigit()
    if not is_time or int(minute) > 59 or int(hour) * 60 + int(minute) > 24 * 60:
        raise ConfigError(f'a window starts and ends at "HH:MM", "24:00" at the latest: {value!r}')
    return int(hour) * 60 + int(minute)


def _hubs(value: Any, what: str) -> frozenset[str]:
    hubs = [_text(hub, what) for hub in _list(value, what)]
    if len(set(hubs)) != len(hubs):
        raise ConfigError(f"the plan: a hub stands twice in `{what}`")
    return frozenset(hubs)


def _tables(words: Mapping[str, Any], what: str) -> list[Mapping[str, Any]]:
    tables = _list(words.get(what, []), what)
    if not all(isinstance(one, dict) for one in tables):
        raise ConfigError(f"the plan: `{what}` is written as [[{what}]]")
    return tables


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise ConfigError(f"the plan: `{what}` is a list")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"the plan: `{what}` is missing, or no text")
    return value


def _is(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"the plan: `{what}` is true or false")
    return value


def _only(words: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    if unknown := sorted(set(words) - known):
        raise ConfigError(f"{what} knows no `{unknown[0]}`; it knows {', '.join(sorted(known))}")
