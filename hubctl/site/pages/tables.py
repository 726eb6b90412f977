"""The tables of a site: hubs, alarms, doors, what holds doors, readings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hubctl.page import TextTable
from hubctl.site.pages.words import Facts, days_left
from hubterm.text import age, clean, is_number, moment


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
