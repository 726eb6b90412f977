"""How hubctl words what a bridge says of its site.

Laws:
1. Every text of the bridge is cleaned.
2. What is wrong comes first, each with what to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from hubctl.kept import mebibytes
from hubctl.page import Page, TextTable, Trouble
from hubterm.shapes import listed, mapping, mappings
from hubterm.text import age, clean, is_number, moment

CLOCK_SECONDS_MAX = 5.0
"""A smaller difference of clocks comes from the way between them, and hurts nobody."""
CERTIFICATE_DAYS_MIN = 14
BACKEND_SECONDS_MAX = 120
"""A bridge hears its backend more often than this."""
DAY_SECONDS = 86_400
ALARMS_SHOWN = 10
ANSWERS = {
    "taken": "taken",
    "late": "too late: its clock and the bridge's differ",
    "refused": "refused",
    "failed": "failed",
    "busy": "busy: it is asked again when it comes back",
}
"""What hubs answer, in words."""

Facts = Mapping[str, Any]


def status_page(status: Facts) -> Page:
    """Return the page of `hubctl --site status`."""
    hubs = mappings(status.get("hubs"))
    now = status.get("at")
    tables = [hubs_table(hubs, now)]
    alarms = mappings(status.get("alarms"))
    if alarms:
        tables.append(alarms_table(alarms[:ALARMS_SHOWN]))
    return Page(list(troubles(status)), _facts(status, hubs), tables)


def troubles(status: Facts) -> Iterator[Trouble]:
    """Yield what is wrong at the site, with what to do."""
    if status.get("disk_full") is True:
        yield Trouble(
            "error",
            "disk",
            "the bridge's disk is full: it takes no records",
            "make room on the bridge's disk, or a smaller [room] in hubbridge.toml. "
            "The hubs lose nothing",
        )
    if is_number(status.get("orders_unkept")) and status["orders_unkept"]:
        yield Trouble(
            "error",
            "orders",
            f"the bridge's disk does not keep {clean(status['orders_unkept'])} orders that stand",
            "make room on its disk: it tries again by itself. "
            "If it starts again before, give them again",
        )
    if status.get("orders_here") is not True:
        yield Trouble(
            "error", "orders", f"nobody can order here: {clean(status.get('orders_by'))}",
            "ask who keeps the site's keys (docs/bridge.md, Keys)",
        )  # fmt: skip
    if status.get("clock") != "trusted":
        yield Trouble(
            "error", "clock", f"the bridge's clock is wrong: {clean(status.get('clock'))}",
            "set it: timedatectl",
        )  # fmt: skip
    if _is_cut_off(status):
        yield Trouble(
            "warning",
            "backend",
            _backend(status),
            "the internet or the backend is away. The site goes on alone, and records wait here",
        )
    yield from _own_certificate(status)
    for hub in mappings(status.get("hubs")):
        yield from _troubles_of(hub, status.get("at"))


def _own_certificate(status: Facts) -> Iterator[Trouble]:
    """Yield that the bridge's own certificate ends soon, or has ended."""
    days = days_left(status, status.get("at"))
    if days is None or days >= CERTIFICATE_DAYS_MIN:
        return
    said = "has ended" if days <= 0 else f"ends in {days:.0f} days"
    name = clean(status.get("bridge"))
    yield Trouble(
        "error" if days <= 0 else "warning",
        "certificate",
        f"the certificate of this bridge {said}: {_next_words(status)}",
        f"it asks by itself while the backend is reached; there: hubissuer renew-bridge {name}",
    )


NEXT_CERTIFICATE = {
    "none": "none is asked for",
    "asked": "it has asked for the next one",
    "certified": "it has the next one, and tries it",
}
"""How far the bridge's next certificate is, in words."""


def _next_words(status: Facts) -> str:
    said = status.get("certificate_next")
    return NEXT_CERTIFICATE.get(said, clean(said)) if isinstance(said, str) else "not known"


def _certificate(status: Facts) -> str:
    """Say until when the bridge's own certificate is, and how far the next one is."""
    ends = status.get("certificate_ends")
    if not is_number(ends):
        return "-"
    return f"until {moment(ends)}, {_next_words(status)}"


def _is_cut_off(status: Facts) -> bool:
    way = status.get("backend")
    if not isinstance(way, Mapping):
        return False
    heard = way.get("heard_seconds")
    return not is_number(heard) or heard > BACKEND_SECONDS_MAX


def _backend(status: Facts) -> str:
    way = status.get("backend")
    if not isinstance(way, Mapping):
        return "this bridge has no way there"
    heard = way.get("heard_seconds")
    said = f"heard {age(heard)} ago" if is_number(heard) else "not heard since the bridge started"
    gateway = f", gateway {clean(way['gateway'])}" if way.get("gateway") else ""
    why = f": {clean(way['why'])}" if way.get("why") else ""
    return f"{clean(way.get('phase'))}{gateway}, {said}{why}"


def _troubles_of(hub: Facts, now: Any) -> Iterator[Trouble]:
    name = clean(hub.get("hub"))
    if hub.get("doubt"):
        yield Trouble(
            "error", name, f"its records are not those that were seen: {clean(hub['doubt'])}",
            "a disk was changed or set back: call who runs the backend. Its doors go on. "
            f"What was told and seen: hubctl --site hub {name}; it ends by hubctl --site accept",
        )  # fmt: skip
    if hub.get("phase") == "away":
        heard = hub.get("heard_at")
        since = f" since {moment(heard)}" if is_number(heard) else ""
        yield Trouble(
            "error", name, f"away{since}",
            "look at its power and network. It decides alone, and hears no order from here",
        )  # fmt: skip
    if is_number(hub.get("alarms_standing")) and hub["alarms_standing"]:
        yield Trouble(
            "error", name, f"alarms stand: {clean(hub['alarms_standing'])}",
            f"hubctl --site hub {name}",
        )  # fmt: skip
    ahead = hub.get("clock_ahead_seconds")
    if is_number(ahead) and abs(ahead) > CLOCK_SECONDS_MAX:
        yield Trouble(
            "warning", name, f"its clock is {ahead:+.0f} s beside the bridge's",
            f"at {name}: hubctl clock",
        )  # fmt: skip
    days = days_left(hub, now)
    if days is not None and days < CERTIFICATE_DAYS_MIN:
        said = "has ended" if days <= 0 else f"ends in {days:.0f} days"
        yield Trouble(
            "error" if days <= 0 else "warning", name, f"its certificate {said}",
            "it renews with the backend: see that it is reached",
        )  # fmt: skip
    if is_number(hub.get("missing_records")) and hub["missing_records"]:
        yield Trouble(
            "warning", name, f"{clean(hub['missing_records'])} of its records are not here",
            "they went another way, or were lost here: the backend knows",
        )  # fmt: skip


def _unsigned(hub: Facts) -> str:
    """Say how many records wait for their hub, whose signature the backend wants."""
    count = hub.get("unsigned_records")
    return f" ({clean(count)} of them for this hub's signature)" if count else ""


def days_left(hub: Facts, now: Any) -> float | None:
    """Return for how many days a hub's certificate holds; None: not known."""
    ends = hub.get("certificate_ends")
    if not is_number(ends) or not is_number(now):
        return None
    return (ends - now) / DAY_SECONDS


def _policy(status: Facts) -> str:
    """Say which policy the bridge has whole for its hubs, and which one is on its way."""
    version = status.get("policy_version")
    said = f"version {clean(version)}, whole" if is_number(version) else "none"
    coming = status.get("policy_coming")
    return f"{said}; version {clean(coming)} is on its way" if is_number(coming) else said


def _facts(status: Facts, hubs: list[Facts]) -> list[tuple[str, str]]:
    here = sum(hub.get("phase") != "away" for hub in hubs)
    used = mebibytes(status.get("used_bytes"))
    budget = mebibytes(status.get("budget_bytes"))
    return [
        (
            "site",
            f"{clean(status.get('site'))}, bridge {clean(status.get('bridge'))}, "
            f"version {clean(status.get('version'))}, since {moment(status.get('since'))}",
        ),
        ("hubs", f"{here} of {len(hubs)} are here"),
        ("records", f"{used} of {budget} MiB"),
        ("policy here", _policy(status)),
        ("backend", _backend(status)),
        ("bridge's certificate", _certificate(status)),
        ("orders that stand", f"{clean(status.get('orders'))}: hubctl --site orders"),
    ]


def hubs_table(hubs: Iterable[Facts], now: Any) -> TextTable:
    """Return the hubs, a row each."""
    rows: list[tuple[str, ...]] = []
    for hub in hubs:
        ahead = hub.get("clock_ahead_seconds")
        days = days_left(hub, now)
        rows.append(
            (
                clean(hub.get("hub")),
                clean(hub.get("phase")),
                moment(hub.get("since")),
                clean(hub.get("version")),
                clean(hub.get("policy_version")),
                f"{clean(hub.get('held_record'))} of {clean(hub.get('newest_record'))}",
                clean(hub.get("waiting_records")),
                f"{ahead:+.1f} s" if is_number(ahead) else "-",
                f"{days:.0f} d" if days is not None else "-",
                clean(hub.get("doors_under")),
            )
        )
    header = (
        "hub",
        "phase",
        "since",
        "version",
        "policy",
        "records held",
        "waiting",
        "clock",
        "certificate",
        "orders",
    )
    return TextTable("hubs", header, rows)


def alarms_table(alarms: Iterable[Facts]) -> TextTable:
    """Return alarms, the newest first."""
    rows: list[tuple[str, ...]] = [
        (
            moment(alarm.get("at")),
            clean(alarm.get("hub")),
            clean(alarm.get("what")),
            "not proven yet" if alarm.get("ahead") is True else clean(alarm.get("record")),
        )
        for alarm in alarms
    ]
    return TextTable("last alarms", ("at", "hub", "what", "record"), rows)


def hub_page(hub: Facts, now: Any) -> Page:
    """Return the page of one hub."""
    gaps = [f"{clean(one[0])} to {clean(one[-1])}" for one in listed(hub.get("gaps")) if one]
    facts = [
        ("hub", f"{clean(hub.get('hub'))}, {clean(hub.get('phase'))}"),
        ("since", moment(hub.get("since"))),
        ("heard last", moment(hub.get("heard_at"))),
        ("version", f"{clean(hub.get('version'))}, policy {clean(hub.get('policy_version'))}"),
        (
            "records",
            f"{clean(hub.get('held_record'))} of {clean(hub.get('newest_record'))} held, "
            f"{clean(hub.get('waiting_records'))} wait for the backend"
            f"{_unsigned(hub)}, "
            f"{mebibytes(hub.get('used_bytes'))} MiB",
        ),
        ("not here", ", ".join(gaps) or "none"),
        ("certificate ends", moment(hub.get("certificate_ends"))),
        ("answered by Full", clean(hub.get("full_told"))),
    ]
    doubted = hub.get("doubted")
    if isinstance(doubted, Mapping):
        facts.append(("doubted for", clean(doubted.get("cause")).replace("_", " ")))
        facts.append(("the hub told", clean(doubted.get("told"))))
        facts.append(("this bridge saw", clean(doubted.get("seen"))))
    tables = [doors_table(mappings(hub.get("doors")))]
    if mappings(hub.get("standing")):
        tables.append(standing_table(mappings(hub.get("standing"))))
    if mappings(hub.get("alarms")):
        tables.append(alarms_table(mappings(hub.get("alarms"))))
    if mappings(hub.get("readings")):
        tables.append(readings_table(mappings(hub.get("readings"))))
    return Page(list(_troubles_of(hub, now)), facts, tables)


def doubts_page(answer: Facts) -> Page:
    """Return the page of the doubts that stand, and of those that were ended."""
    standing: list[tuple[str, ...]] = [
        (
            clean(one.get("hub")),
            clean(one.get("cause")).replace("_", " "),
            clean(one.get("told")),
            clean(one.get("seen")),
        )
        for one in mappings(answer.get("doubts"))
    ]
    ended: list[tuple[str, ...]] = [
        (
            moment(one.get("at")),
            clean(one.get("hub")),
            clean(one.get("cause")).replace("_", " "),
            f"{clean(one.get('by'))} (uid {clean(one.get('uid'))})",
            clean(one.get("accepted")),
            clean(one.get("set_aside")),
        )
        for one in mappings(answer.get("ended"))
    ]
    return Page(
        tables=[
            TextTable("doubts", ("hub", "cause", "the hub told", "this bridge saw"), standing),
            TextTable(
                "ended", ("at", "hub", "cause", "by", "goes on with", "records set aside"), ended
            ),
        ]
    )


def doors_page(answer: Facts) -> Page:
    """Return the page of all doors."""
    since = moment(answer.get("since"))
    page = Page(
        facts=[("known", f"what hubs have recorded and sent since {since}")],
        tables=[doors_table(mappings(answer.get("doors")))],
    )
    if mappings(answer.get("standing")):
        page.tables.append(standing_table(mappings(answer.get("standing"))))
    left_out = answer.get("doors_left_out")
    if is_number(left_out) and left_out:
        page.facts.append(("left out", f"{left_out} doors: hubctl --site hub NAME"))
    return page


def doors_table(doors: Iterable[Facts]) -> TextTable:
    """Return doors, a row each."""
    rows: list[tuple[str, ...]] = [
        (
            clean(door.get("hub")),
            clean(door.get("door")),
            clean(door.get("what")),
            moment(door.get("at")),
            clean(door.get("alarms")),
        )
        for door in doors
    ]
    return TextTable("doors", ("hub", "door", "last", "at", "alarms that stand"), rows)


def standing_table(standing: Iterable[Facts]) -> TextTable:
    """Return what holds doors, as the hubs' own records tell."""
    rows: list[tuple[str, ...]] = [
        (
            clean(one.get("hub")),
            clean(one.get("order")).replace("_", "-"),
            clean(one.get("where")),
            clean(one.get("given_by")),
            moment(one.get("since")),
            "until it is ended" if one.get("until") is None else moment(one.get("until")),
        )
        for one in standing
    ]
    header = ("hub", "order", "where", "given by", "since", "until")
    return TextTable("orders in force", header, rows)


def readings_table(readings: Iterable[Facts]) -> TextTable:
    """Return what devices have said."""
    rows: list[tuple[str, ...]] = [
        (
            clean(one.get("hub")),
            clean(one.get("device")),
            clean(one.get("quantity")),
            f"{clean(one.get('value'))} {clean(one.get('unit') or '')}".rstrip(),
            f"{age(one.get('age_seconds'))} ago",
        )
        for one in readings
    ]
    return TextTable("readings", ("hub", "device", "what", "value", "said"), rows)


def orders_page(answer: Facts) -> Page:
    """Return the page of what the site has ordered."""
    rows: list[tuple[str, ...]] = [
        (
            clean(one.get("what")),
            "all hubs" if one.get("hub") is None else clean(one.get("hub")),
            clean(one.get("by")),
            moment(one.get("given_at")),
            moment(one.get("until")),
            clean(one.get("taken")),
            _missing(one),
        )
        for one in mappings(answer.get("orders"))
    ]
    header = ("order", "where", "by", "given at", "until", "taken by", "not by")
    return Page(tables=[TextTable("orders of the site that stand", header, rows)])


def _missing(order: Facts) -> str:
    hubs = listed(order.get("missing_hubs"))
    count = order.get("missing")
    if not is_number(count) or not count:
        return "none"
    more = count - len(hubs)
    return clean(hubs) + (f" and {more} more" if more > 0 else "")


UNKEPT = Trouble(
    "warning",
    "disk",
    "the bridge's disk does not keep this order: it is given to the hubs all the same",
    "make room on the bridge's disk: it tries again by itself. If the bridge starts again before, "
    "a hub that comes later does not hear the order: give it again then",
)
"""What shuts is given even so; what opens is refused."""


ENDS_NOTHING = Trouble(
    "warning",
    "end",
    "no such order was given at this bridge",
    "if another bridge of the site gave it, end it there, too: that one gives it again to hubs "
    "that come late, and after its own start",
)


def given_page(answers: Iterable[Facts]) -> Page:
    """Return the page of an act: what each hub has answered."""
    troubles_found: list[Trouble] = []
    facts: list[tuple[str, str]] = []
    rows: list[tuple[str, ...]] = []
    for answer in answers:
        until = answer.get("until")
        ends = f", until {moment(until)}" if until is not None else ""
        facts.append(
            ("ordered", f"{clean(answer.get('what'))}, by {clean(answer.get('by'))}{ends}")
        )
        if answer.get("guest") is not None:
            facts.append(("guest", f"{clean(answer['guest'])}: `guest end` wants this id"))
        if answer.get("kept") is False:
            troubles_found.append(UNKEPT)
        if answer.get("ends_nothing") is True:
            troubles_found.append(ENDS_NOTHING)
        for hub in mappings(answer.get("hubs")):
            rows.append((clean(hub.get("hub")), answer_text(hub)))
            if hub.get("answer") != "taken":
                troubles_found.append(_not_taken(hub))
    return Page(troubles_found, facts, [TextTable("hubs", ("hub", "answer"), rows)])


def answer_text(hub: Facts) -> str:
    """Return what a hub answered, in words."""
    answer = hub.get("answer")
    if answer is None:
        return "no answer yet" if hub.get("connected") is True else "away: it hears when it comes"
    said = ANSWERS.get(str(answer), clean(answer))
    detail = clean(hub.get("detail") or "")
    return f"{said}: {detail}" if detail else said


def _not_taken(hub: Facts) -> Trouble:
    name = clean(hub.get("hub"))
    if hub.get("answer") is None and hub.get("connected") is not True:
        return Trouble("error", name, "it is away", "go there: its doors are as they were")
    return Trouble("error", name, answer_text(hub), f"hubctl --site hub {name}")


def event_line(event: Facts) -> str:
    """Return what happened as one line."""
    shown = mapping(event)
    facts = [
        f"{clean(name)}={moment(value) if name == 'was_at' else clean(value)}"
        for name, value in shown.items()
        if name not in ("event", "at", "hub")
    ]
    hub = shown.get("hub")
    head = f"{moment(shown.get('at'))}  {clean(shown.get('event')):<14}"
    return " ".join([head, clean(hub) if hub is not None else "the site", *facts])
