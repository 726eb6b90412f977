"""The pages of `hubctl --site status`, `hub`, `doubts` and `doors`.

Law 1: what is wrong comes first, each with what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubctl.kept import mebibytes
from hubctl.page import Page, TextTable
from hubctl.site.pages.tables import (
    alarms_table,
    doors_table,
    hubs_table,
    readings_table,
    standing_table,
)
from hubctl.site.pages.troubles import troubles, troubles_of
from hubctl.site.pages.words import Facts, backend_words, certificate_words, policy_words
from hubterm.shapes import listed, mappings
from hubterm.text import clean, is_number, moment

ALARMS_SHOWN = 10


def status_page(status: Facts) -> Page:
    """Return the page of `hubctl --site status`."""
    hubs = mappings(status.get("hubs"))
    now = status.get("at")
    tables = [hubs_table(hubs, now)]
    alarms = mappings(status.get("alarms"))
    if alarms:
        tables.append(alarms_table(alarms[:ALARMS_SHOWN]))
    return Page(list(troubles(status)), _facts(status, hubs), tables)


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
        ("policy here", policy_words(status)),
        ("backend", backend_words(status)),
        ("bridge's certificate", certificate_words(status)),
        ("orders that stand", f"{clean(status.get('orders'))}: hubctl --site orders"),
    ]


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
    return Page(list(troubles_of(hub, now)), facts, tables)


def _unsigned(hub: Facts) -> str:
    """Say how many records wait for their hub, whose signature the backend wants."""
    count = hub.get("unsigned_records")
    return f" ({clean(count)} of them for this hub's signature)" if count else ""


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
