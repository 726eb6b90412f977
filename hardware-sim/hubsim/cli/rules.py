"""`hubsim site schedule`, `mode`, `disable` and others: what a policy says beside its grants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click

from hubcore.access.passback import PassbackKind, PassbackRule
from hubcore.access.words import Mode
from hubcore.calendar.recurrence import Recurrence
from hubcore.calendar.schedule import Rule, Schedule
from hubcore.policy.policy import NO_RULES, HoldOpen, Operator, OperatorRight, PointRules, Policy
from hubsim import site as sites
from hubsim.cli.options import HUB_POINT, open_site, phone_folder, site_option
from hubsim.cli.site import hand_to_backend
from hubsim.recurring import recurring, special_days
from hubsim.site.cards import card_credential, card_names
from hubsim.weekly import weekly

NUMBER = click.IntRange(0, 2**31 - 1)
MODES = {"normal": Mode.NORMAL, "lockdown": Mode.LOCKDOWN, "no-entry": Mode.NO_ENTRY}
RIGHTS = {
    "release": OperatorRight.RELEASE,
    "hold-open": OperatorRight.HOLD_OPEN,
    "lock-down": OperatorRight.LOCK_DOWN,
    "command": OperatorRight.COMMAND,
}
KINDS = {kind.name.lower(): kind for kind in PassbackKind}
T = TypeVar("T")


@click.command("schedule")
@site_option()
@click.argument("number", type=NUMBER)
@click.option("--weekly", "weeks", multiple=True, help='Such as "mon-fri 08:00-18:00".')
@click.option(
    "--recurring",
    "recurrences",
    multiple=True,
    help='Such as "2026-12-07 08:00-12:00 FREQ=MONTHLY;BYDAY=1MO" (RFC 5545).',
)
@click.option(
    "--special",
    "specials",
    multiple=True,
    help='Days with hours of their own, such as "2026-12-24,2026-12-31 08:00-12:00"; without '
    "hours: closed.",
)
@click.pass_obj
def site_schedule(
    path: Path,
    number: int,
    weeks: tuple[str, ...],
    recurrences: tuple[str, ...],
    specials: tuple[str, ...],
) -> None:
    """Give a schedule its rules; without any the policy has it no more, and it never holds."""
    where = open_site(path)
    rules: list[Rule | Recurrence] = []
    for text in weeks:
        rules.extend(_read(weekly, text))
    rules.extend(_read(recurring, text) for text in recurrences)
    special = tuple(_read(special_days, text) for text in specials)
    schedules = dict(where.policy().schedules)
    schedules.pop(number, None)
    if rules or special:
        schedules[number] = Schedule(tuple(rules), special)
    _publish(where, f"schedule {number} has {len(rules)} rules", schedules=schedules)


def _read(reader: Callable[[str], T], text: str) -> T:
    try:
        return reader(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command("mode")
@site_option()
@click.argument("point", type=HUB_POINT)
@click.argument("mode", type=click.Choice(list(MODES)))
@click.pass_obj
def site_mode(path: Path, point: int, mode: str) -> None:
    """Order the mode of an access point: lockdown, no entry, or neither."""
    where = open_site(path)
    modes = {**where.policy().modes, point: MODES[mode]}
    _publish(where, f"access point {point} is in {mode}", modes=modes)


@click.command("disable")
@site_option()
@click.argument("name")
@click.option("--off", is_flag=True, help="Enable it again.")
@click.pass_obj
def site_disable(path: Path, name: str, off: bool) -> None:
    """Take the credential of a phone or card out of use for a while; revoking is for ever."""
    where = open_site(path)
    disabled = _with(where.policy().disabled, _credential(where, name), off)
    _publish(where, f"{name} is {'enabled' if off else 'disabled'}", disabled=disabled)


@click.command("longer")
@site_option()
@click.argument("name")
@click.option("--off", is_flag=True, help="No longer than others.")
@click.pass_obj
def site_longer(path: Path, name: str, off: bool) -> None:
    """Give the holder of a phone or card more time at the doors."""
    where = open_site(path)
    extended = _with(where.policy().extended_time, _credential(where, name), off)
    said = f"{name} has {'the usual' if off else 'more'} time"
    _publish(where, said, extended_time=extended)


def _with(names: frozenset[str], name: str, off: bool) -> frozenset[str]:
    return names - {name} if off else names | {name}


def _credential(where: sites.Site, name: str) -> str:
    """Return the credential of a phone or a card."""
    if name in card_names(where):
        return card_credential(where, name)
    phone_folder(where, name)
    return where.credential(name)


@click.command("hold-open")
@site_option()
@click.argument("point", type=HUB_POINT)
@click.argument("schedule", type=NUMBER, required=False)
@click.option("--first-person-in", is_flag=True, help="Only once somebody was let in.")
@click.pass_obj
def site_hold_open(path: Path, point: int, schedule: int | None, first_person_in: bool) -> None:
    """Hold a door open by a schedule; without a number: no more."""
    where = open_site(path)
    hold = None if schedule is None else HoldOpen(schedule, first_person_in)
    points = _points(where, point, lambda rules: replace(rules, hold_open=hold))
    shown = "never" if schedule is None else f"in schedule {schedule}"
    _publish(where, f"access point {point} is held open {shown}", points=points)


@click.command("passback")
@site_option()
@click.argument("point", type=HUB_POINT)
@click.argument("kind", type=click.Choice([*KINDS, "off"]))
@click.option("--from-area", type=click.IntRange(0, 65535), default=0, help="0 is outside.")
@click.option("--to-area", type=click.IntRange(0, 65535), default=1)
@click.option("--seconds", type=click.IntRange(1, 86_400), default=None, help="Of a timed rule.")
@click.pass_obj
def site_passback(
    path: Path, point: int, kind: str, from_area: int, to_area: int, seconds: int | None
) -> None:
    """Let nobody pass a card or phone back through an access point, or only record it (soft)."""
    where = open_site(path)
    rule = None
    if kind != "off":
        rule = _read(lambda _: PassbackRule(KINDS[kind], from_area, to_area, seconds or 0), kind)
    points = _points(where, point, lambda rules: replace(rules, passback=rule))
    _publish(where, f"passback at access point {point}: {kind}", points=points)


def _points(
    where: sites.Site, point: int, change: Callable[[PointRules], PointRules]
) -> dict[int, PointRules]:
    points = dict(where.policy().points)
    changed = change(points.pop(point, NO_RULES))
    if changed != NO_RULES:
        points[point] = changed
    return points


@click.command("operator")
@site_option()
@click.argument("name")
@click.argument("rights", nargs=-1, type=click.Choice(list(RIGHTS)))
@click.option("--access-point", "points", type=HUB_POINT, multiple=True, help="By itself at all.")
@click.pass_obj
def site_operator(path: Path, name: str, rights: Sequence[str], points: Sequence[int]) -> None:
    """Let an operator of the backend order this from afar; without RIGHTS: nothing."""
    where = open_site(path)
    operators = dict(where.policy().operators)
    operators.pop(name, None)
    given = OperatorRight(0)
    for right in rights:
        given |= RIGHTS[right]
    if given:
        operators[name] = Operator(given, frozenset(points))
    _publish(where, f"{name} may order {', '.join(rights) or 'nothing'}", operators=operators)


@click.command("group")
@site_option()
@click.argument("number", type=NUMBER)
@click.argument("devices", nargs=-1)
@click.pass_obj
def site_group(path: Path, number: int, devices: tuple[str, ...]) -> None:
    """Name the devices of a group, such as all shutters of the south side; none: no group."""
    where = open_site(path)
    groups = dict(where.policy().groups)
    groups.pop(number, None)
    if devices:
        groups[number] = devices
    _publish(where, f"group {number} has {len(devices)} devices", groups=groups)


def _publish(where: sites.Site, said: str, **changes: object) -> None:
    """Put a new policy in force and say so."""
    new: Policy = _read(lambda _: where.change(**changes), "")
    click.echo(f"{said} by policy {new.version}; {hand_to_backend(where)}")


OF_RULES = (
    site_schedule,
    site_mode,
    site_disable,
    site_longer,
    site_hold_open,
    site_passback,
    site_operator,
    site_group,
)
"""Commands of `hubsim site`."""
