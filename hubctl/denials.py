"""What hubctl says of a denial: why, and who can change it. No codes of a phone's maker.

Law: each code of a denial has a row here. One that this hubctl does not know is shown as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from hubcore.access.words import Denial
from hubterm.text import clean, is_number, moment


class Said(NamedTuple):
    """Why, after "It was refused: "; and what would have to change."""

    why: str
    change: str


SAID: Mapping[str, Said] = {
    Denial.UNKNOWN_CREDENTIAL: Said(
        "the site does not know it",
        "The site's operator can give it a grant, or enter the card.",
    ),
    Denial.CREDENTIAL_REVOKED: Said(
        "the site has revoked it",
        "The site's operator can give a new grant. A revoked one stays revoked.",
    ),
    Denial.CREDENTIAL_DISABLED: Said(
        "the site has disabled it for now",
        "The site's operator can enable it again.",
    ),
    Denial.CREDENTIAL_NOT_ACTIVE: Said(
        "its grant begins later",
        "It opens from then on. The site's operator can give an earlier grant.",
    ),
    Denial.CREDENTIAL_EXPIRED: Said(
        "its grant has ended",
        "The site's operator can renew the grant. Then the app must fetch it.",
    ),
    Denial.GRANT_TOO_LONG: Said(
        "its grant lives longer than this hub allows",
        "The site's operator gives a shorter grant, or the installer raises grant_days_max.",
    ),
    Denial.NO_GRANT: Said(
        "its grant does not name this access point",
        "The site's operator can add it to the grant.",
    ),
    Denial.OUT_OF_SCHEDULE: Said(
        "its hours at this door are others",
        "The site's operator can change the grant or the schedule.",
    ),
    Denial.LOCKDOWN: Said(
        "the door is locked down",
        "Whoever ordered the lockdown can end it: hubctl doors.",
    ),
    Denial.NO_ENTRY: Said(
        "nobody may go in here for now",
        "Whoever ordered it can end it: hubctl doors.",
    ),
    Denial.TIME_UNTRUSTED: Said(
        "this hub does not trust its own clock",
        "Type: hubctl clock. If the clock is right: sudo hubctl clock trust.",
    ),
    Denial.OFFLINE_TOO_LONG: Said(
        "the backend has been away for longer than this door allows",
        "Bring the backend back: hubctl status.",
    ),
    Denial.FULL_PROOF_NEEDED: Said(
        "this door wants the full proof each time",
        "The phone asks again by itself, and takes a moment longer.",
    ),
    Denial.FACTOR_NEEDED: Said(
        "the door wants one more proof, such as a PIN",
        "Give it. The site's operator can change what the door demands.",
    ),
    Denial.WRONG_PIN: Said(
        "the PIN was wrong",
        "Try again. The site's operator can set another PIN.",
    ),
    Denial.TOO_MANY_ATTEMPTS: Said(
        "there were too many wrong PINs",
        "Wait some minutes, then try again.",
    ),
    Denial.SECOND_PERSON_NEEDED: Said(
        "this door opens for two persons only",
        "A second person who may pass must come within moments.",
    ),
    Denial.ANTI_PASSBACK: Said(
        "it went in and has not come out, or the other way round",
        "Let it leave by a reader, or type: sudo hubctl passback CREDENTIAL reset.",
    ),
    Denial.USES_SPENT: Said(
        "its grant has no use left",
        "The site's operator can give a new grant.",
    ),
    Denial.OP_CONFLICT: Said(
        "it asked for two things under one number",
        "Try again. If it happens each time, the app has a fault.",
    ),
    Denial.TOO_LATE: Said(
        "it came too late: the hub was busy, or the phone had gone",
        "Try again. If it happens often: hubctl status.",
    ),
    Denial.DOOR_FAULT: Said(
        "the hub could not move the door, or not record it",
        "Type: hubctl status. Where a Z-Wave lock moves the door: hubctl zwave.",
    ),
    Denial.BUSY: Said(
        "too much was asked at once",
        "Try again.",
    ),
}
GRANTED = "granted"
PLACES = ("door", "door_name", "point_name", "point", "reader")
BEGINNING = 4
"""Characters of a credential that are enough to find it."""


def wall(at: object, zone: str) -> str:
    """Return a Unix time as the site's wall clock shows it, with the zone; else as a moment."""
    if not is_number(at):
        return clean(at)
    try:
        local = datetime.fromtimestamp(float(at), ZoneInfo(zone))
    except (ValueError, OverflowError, OSError, KeyError):
        return moment(at)
    return f"{local:%a} {local.date()} {local:%H}:{local:%M} ({zone})"


def sentences(denial: Mapping[str, Any], zone: str) -> list[str]:
    """Return what a technician reads of one denial, the first line with when, who and where."""
    why = denial.get("why")
    said = SAID.get(why) if isinstance(why, str) else None
    lines = [_head(denial, zone)]
    if said is None:
        lines.append(f"It was refused: {clean(why)}.")
    else:
        lines.append(f"It was refused: {said.why} ({clean(why)}).")
        lines += times(denial, zone)
        lines.append(f"What would change it: {said.change}")
    lines.append(_now(denial))
    return lines


def lines_of(denials: Iterable[Mapping[str, Any]], zone: str) -> list[str]:
    """Return the lines about some denials: a head each, and what belongs to it below."""
    lines: list[str] = []
    for denial in denials:
        head, *more = sentences(denial, zone)
        lines += [head, *(f"  {line}" for line in more)]
    return lines


def _head(denial: Mapping[str, Any], zone: str) -> str:
    door = clean(denial.get("door_name") or denial.get("door"))
    point = f"{clean(denial.get('point_name'))}, access point {clean(denial.get('point'))}"
    count = denial.get("count")
    often = f", {clean(count)} times" if is_number(count) and count != 1 else ""
    who = f"{_kind(denial)} {clean(denial.get('asker'))}"
    if denial.get("uid") is not None:
        who = f"a technician at the hub (uid {clean(denial['uid'])})"
    return f"{wall(denial.get('at'), zone)}: {who} at {door} ({point}){often}"


def _kind(denial: Mapping[str, Any]) -> str:
    if denial.get("by") != "access":
        return "an order from afar by"
    reader = denial.get("reader")
    return "phone" if reader is None else f"card at reader {clean(reader)},"


def times(denial: Mapping[str, Any], zone: str) -> list[str]:
    """Return when its hours or its grant begin, or when that ended, where one of these is why."""
    match denial:
        case {"why": Denial.OUT_OF_SCHEDULE, "hours_begin": begin} if begin is not None:
            return [f"Its hours begin next: {wall(begin, zone)}."]
        case {"why": Denial.OUT_OF_SCHEDULE, "now": str()}:
            return ["It has no hours here in the next 8 days."]
        case {"why": Denial.CREDENTIAL_NOT_ACTIVE, "begins": begins} if begins is not None:
            return [f"Its grant begins: {wall(begins, zone)}."]
        case {"why": Denial.CREDENTIAL_EXPIRED, "expires": expires} if expires is not None:
            return [f"Its grant ended: {wall(expires, zone)}."]
    return []


def _now(denial: Mapping[str, Any]) -> str:
    match denial.get("now"):
        case None:
            return "Now: not known, it must ask again."
        case "granted":
            return "Now: it would be let in."
        case code:
            said = SAID.get(code) if isinstance(code, str) else None
            return f"Now: it would be refused, {clean(code) if said is None else said.why}."


def is_meant(denial: Mapping[str, Any], whom: str | None) -> bool:
    """Tell whether a denial is at this place or of this credential."""
    if whom is None:
        return True
    if any(str(denial.get(key)) == whom for key in PLACES if denial.get(key) is not None):
        return True
    shown = str(denial.get("asker")).rstrip("…")
    beginning = whom[: len(shown)]
    return len(beginning) >= min(BEGINNING, len(shown)) > 0 and shown.startswith(beginning)
