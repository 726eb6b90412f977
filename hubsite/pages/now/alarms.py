"""The page of alarms: those that nobody has seen first, whichever way they came.

Law: what has no record here is told as that. Only a record proves an alarm.
"""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from hubcore.evidence.alarms import alarm_of
from hubsite.bridge import alarms as told_by_bridge
from hubsite.pages.evidence.names import Shown, moment, shown
from hubsite.pages.now.bridged import away_now
from hubsite.records.models import Record
from hubsite.records.showing import alarms as rows

_DIGITS = 18


@require_http_methods(["GET", "HEAD", "POST"])
def alarms(request: HttpRequest) -> HttpResponse:
    """Show alarms, or keep that somebody has seen some."""
    if request.method == "POST":
        by = request.user.name
        count = rows.see(by, _ids(request.POST.getlist("seen")))
        count += told_by_bridge.see(by, _ids(request.POST.getlist("told")))
        messages.success(request, f"Seen by you: {count}.")
        return redirect("alarms")
    unseen = rows.unseen()
    told = told_by_bridge.unseen()
    shown_now = {
        "unseen": _told(unseen),
        "is_cut": rows.SHOWN in (len(unseen), len(told)),
        "seen": [(*one, moment(one[0].row.seen_at or 0)) for one in _told(rows.seen())],
        "told": [(one, moment(one.at)) for one in told],
        "told_seen": [
            (one, moment(one.at), moment(one.seen_at or 0)) for one in told_by_bridge.seen()
        ],
        "away": away_now(),
        "waiting": [(one, moment(one.at)) for one in rows.waiting()],
    }
    return render(request, "now/alarms.html", shown_now)


def _told(found: list[Record]) -> list[tuple[Shown, str]]:
    return [(one, alarm_of(bytes(one.row.record))) for one in shown(found)]


def _ids(texts: list[str]) -> list[int]:
    good = [text for text in texts if text.isascii() and text.isdigit() and len(text) <= _DIGITS]
    return [int(text) for text in good]
