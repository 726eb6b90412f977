"""What hubs have said of an image: the document of `hubissuer updates --json`.

Laws:
1. Hubs say it of themselves, and nobody has proven it. The document has ceilings, and one that is
   not of its form is refused as a whole.
2. A hub whose words could not be read says nothing. One that has not switched says nothing, too.
3. A hub that has the image in quarantine has failed with it, whatever else it says.
4. A hub amid a switch is waited for. After SILENT_SECONDS without another word it counts as silent.
5. Each hub that failed is named, the first NAMED_MAX of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from hubcore.errors import ConfigError
from hubcore.update.director import TURN_SECONDS
from hubcore.update.image import DIGEST_BYTES, Image
from hubcore.update.plan import HUBS_MAX, HUNDREDTHS, TEXT_CHARACTERS_MAX
from hubcore.update.slots import QUARANTINE_MAX
from hubcore.update.tolerance import Ending, Tolerance, Verdict

NAMED_MAX = 50
FLEET_BYTES_MAX = 64 * 1024 * 1024
SILENT_SECONDS = TURN_SECONDS
"""The longest trial and the way back fit into it."""
_SECONDS_MAX = 1 << 40
_AMID_SWITCH = frozenset({"switching", "trial", "returning"})


@dataclass(frozen=True, slots=True)
class Heard:
    """What one hub has said last."""

    hub: str
    phase: str
    digest: str
    """Of the image that runs; "" for none."""
    other: str
    """The version that it tries, or has beside; "" for none."""
    quarantine: frozenset[str]
    unchanged_seconds: int
    """So long it has said nothing else."""


def read_fleet(data: bytes) -> list[Heard]:
    """Return what each hub has said, as far as that could be read. Raise ConfigError."""
    if len(data) > FLEET_BYTES_MAX:
        raise ConfigError(f"what was heard has {FLEET_BYTES_MAX} bytes at most")
    try:
        said = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"what was heard is no JSON: {error}") from error
    if not isinstance(said, list) or len(said) > HUBS_MAX:
        raise ConfigError(f"what was heard is no list of at most {HUBS_MAX} hubs")
    hubs = [_hub(one, number) for number, one in enumerate(said)]
    if len(set(hubs)) != len(hubs):
        raise ConfigError("what was heard: a hub stands there twice")
    readable = [(hub, one) for hub, one in zip(hubs, said, strict=True) if "version" in one]
    return [_heard(hub, one) for hub, one in readable]


def endings(fleet: Sequence[Heard], image: Image) -> dict[str, Ending]:
    """Return how the image ended at each hub that has tried it."""
    found = {one.hub: _ending(one, image) for one in fleet}
    return {hub: ending for hub, ending in found.items() if ending is not None}


def told(tolerance: Tolerance, tried: Mapping[str, Ending], verdict: Verdict) -> Iterator[str]:
    """Yield the count, the hubs that failed, and what follows."""
    failed = [hub for hub in sorted(tried) if tried[hub] is not Ending.STAYED]
    share = tolerance.share_max * 100 / HUNDREDTHS
    yield f"{len(failed)} of {len(tried)} hubs that tried have failed"
    yield f"the plan takes {tolerance.failures_max} failures; above that, {share:g} per cent"
    for hub in failed[:NAMED_MAX]:
        yield f"{hub}: {tried[hub].value}"
    if len(failed) > NAMED_MAX:
        yield f"and {len(failed) - NAMED_MAX} more"
    yield verdict.value


def _ending(one: Heard, image: Image) -> Ending | None:
    digest = image.digest.hex()
    if digest in one.quarantine:
        return Ending.CAME_BACK
    if one.digest == digest:
        return Ending.STAYED
    is_amid = one.phase in _AMID_SWITCH and one.other == image.version
    return Ending.SILENT if is_amid and one.unchanged_seconds > SILENT_SECONDS else None


def _hub(one: object, number: int) -> str:
    if not isinstance(one, dict):
        raise ConfigError(f"what was heard: entry {number} is no hub")
    return _text(one, "hub", f"entry {number}") or _refuse(f"entry {number}", "hub")


def _heard(hub: str, one: Mapping[str, Any]) -> Heard:
    seconds = one.get("unchanged_seconds")
    if type(seconds) is not int or not 0 <= seconds <= _SECONDS_MAX:
        _refuse(hub, "unchanged_seconds")
    bad = one.get("quarantine")
    if not isinstance(bad, list) or len(bad) > QUARANTINE_MAX:
        _refuse(hub, "quarantine")
    return Heard(
        hub=hub,
        phase=_text(one, "phase", hub),
        digest="" if one.get("digest") is None else _digest(one["digest"], hub, "digest"),
        other="" if one.get("other") is None else _text(one, "other", hub),
        quarantine=frozenset(_digest(digest, hub, "quarantine") for digest in bad),
        unchanged_seconds=seconds,
    )


def _text(one: Mapping[str, Any], word: str, whose: str) -> str:
    value = one.get(word)
    if not isinstance(value, str) or len(value) > TEXT_CHARACTERS_MAX or not value.isprintable():
        _refuse(whose, word)
    return value


def _digest(value: object, hub: str, word: str) -> str:
    is_digest = isinstance(value, str) and len(value) == 2 * DIGEST_BYTES
    if not is_digest or not set(str(value)) <= set("0123456789abcdef"):
        _refuse(hub, word)
    return str(value)


def _refuse(whose: str, word: str) -> NoReturn:
    raise ConfigError(f"what was heard: `{word}` of {whose} is not what hubissuer writes")
