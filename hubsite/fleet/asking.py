"""An operator's asks about hubs: kept, then asked of what signs apart, then their outcome.

How it works: this server has no key of an issuer and never writes what makes a hub. So a page asks
`hubissuer serve`, which judges by its own limits (`hubcore.issuing.hubrules`).

Laws:
1. An ask is a row and an act before anybody hears of it.
2. A token is handed on once. No row, no act and no line has it.
3. Each outcome is a sentence. Where the answer was lost, nobody knows, and it says how to go on.
4. The newest ASKS_KEPT are kept.
5. A yes that was done counts before the engine's word of it comes, for SETTLES and for that one
   fingerprint, unless something else was asked about the hub since.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from hubcore.errors import HubError, LinkError
from hubcore.evidence.records import Value
from hubcore.issuing.hubasks import HubAct, HubAsk
from hubcore.issuing.words import Refusal, RefusedError
from hubsite.acts import log
from hubsite.acts.kinds import ActKind
from hubsite.fleet.models import SENTENCE_LENGTH, HubAsked
from hubsite.hubs.signer import Decider

ASKS_KEPT = 200
SETTLES = timedelta(minutes=2)
"""So long after a yes the engine's own word of it may not have come."""
KINDS: Mapping[HubAct, ActKind] = {
    HubAct.TOKEN: ActKind.HUB_TOKEN_ASKED,
    HubAct.APPROVE: ActKind.HUB_APPROVAL_ASKED,
    HubAct.REFUSE: ActKind.HUB_REFUSAL_ASKED,
    HubAct.RENEW: ActKind.HUB_RENEWAL_ASKED,
    HubAct.END: ActKind.HUB_END_ASKED,
}
DONE: Mapping[HubAct, str] = {
    HubAct.TOKEN: "Its token was made and shown once. It is good for 24 hours and one machine.",
    HubAct.APPROVE: "The machine with this fingerprint is the hub.",
    HubAct.REFUSE: "Its token is of no use any more.",
    HubAct.RENEW: "Its newer certificates are there: it gets them at once, or when it comes.",
    HubAct.END: "It has ended: its keys are revoked and its access points are free. Its records "
    "stay.",
}
UNKNOWN = "Nobody knows whether it was done: {why}. Ask for the same again, that does no harm."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an ask; `is_done` None where nobody knows. `token` is shown once (law 2)."""

    is_done: bool | None
    sentence: str
    token: str = ""


def ask(wanted: HubAsk, decider: Decider) -> Outcome:
    """Keep an ask, have it done, and keep what came of it."""
    row = _begin(wanted)
    outcome = _asked(wanted, decider)
    HubAsked.objects.filter(pk=row.pk).update(
        is_done=outcome.is_done, sentence=outcome.sentence[:SENTENCE_LENGTH]
    )
    return outcome


def taken_in() -> dict[str, str]:
    """Return hubs that were just taken in, and the fingerprint of each (law 5)."""
    newest: dict[str, HubAsked] = {}
    now = timezone.now()
    for row in HubAsked.objects.filter(at__range=(now - SETTLES, now)).order_by("pk"):
        newest[row.hub] = row
    done = [one for one in newest.values() if one.act == HubAct.APPROVE.word and one.is_done]
    return {one.hub: one.fingerprint for one in done}


def _begin(wanted: HubAsk) -> HubAsked:
    """Keep the row and the act (law 1)."""
    with transaction.atomic():
        row = HubAsked.objects.create(
            by=wanted.by,
            act=wanted.act.word,
            hub=wanted.hub,
            fingerprint=wanted.fingerprint,
            sentence=UNKNOWN.format(why="no answer has come"),
        )
        HubAsked.objects.filter(pk__lte=row.pk - ASKS_KEPT).delete()
        log.write(wanted.by, KINDS[wanted.act], about=f"hub {wanted.hub}", **_facts(wanted))
    return row


def _facts(wanted: HubAsk) -> dict[str, Value]:
    """Return what an act says of an ask: what this one has, and nothing of the others."""
    if wanted.act is HubAct.TOKEN:
        points = " ".join(map(str, wanted.points))
        return {"access_points": points, "replaces": int(wanted.replaces)}
    return {"fingerprint": wanted.fingerprint} if wanted.fingerprint else {}


def _asked(wanted: HubAsk, decider: Decider) -> Outcome:
    try:
        token = decider.decide(wanted)
    except RefusedError as error:
        if error.refusal is Refusal.ENGINE:
            return Outcome(None, UNKNOWN.format(why=error))
        return Outcome(False, f"Nothing was done. {error}")
    except LinkError as error:
        return Outcome(None, UNKNOWN.format(why=error))
    except HubError as error:
        return Outcome(False, f"Nothing was asked: {error}")
    return Outcome(True, DONE[wanted.act], token)
