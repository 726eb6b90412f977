"""The pages of orders: those of the site that stand, and what hubs answer to one."""

from __future__ import annotations

from collections.abc import Iterable

from hubctl.page import Page, TextTable, Trouble
from hubctl.site.pages.words import Facts
from hubterm.shapes import listed, mappings
from hubterm.text import clean, is_number, moment

ANSWERS = {
    "taken": "taken",
    "late": "too late: its clock and the bridge's differ",
    "refused": "refused",
    "failed": "failed",
    "busy": "busy: it is asked again when it comes back",
}
"""What hubs answer, in words."""
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
