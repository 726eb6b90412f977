"""Who may publish and hear what at the engine, and what a refusal there means.

Laws:
1. The gateway writes no policy, no certificate, no list of ends and no order.
2. What signs writes what makes a hub, and no record, policy or order.
3. The server reads hubs and writes policies. It makes no hub. ORDERS is its own only where it was
   said that it orders.
4. The person at the machine may all.
5. A refusal names the line that is missing, as a person writes it, and how to get it.

docs/site.md and docs/backend.md have these tables, with what each line is for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

_INBOX = "_INBOX.>"
_API = (
    "$JS.API.STREAM.INFO.>",
    "$JS.API.STREAM.CREATE.>",
    "$JS.API.STREAM.MSG.GET.>",
    "$JS.API.DIRECT.GET.>",
    "$JS.API.CONSUMER.CREATE.>",
    "$JS.API.CONSUMER.INFO.>",
    "$JS.FC.>",
)
"""What makes streams and buckets that are missing, and reads them."""


ORDERS = "hub.commands.*"
"""What an account needs to order at hubs."""


class Who(Enum):
    """Who has an account at the engine."""

    GATEWAY = "hubgateway"
    ISSUER = "hubissuer"
    SERVER = "hubsite"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Rights:
    """The subjects that an account may publish on and subscribe to."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]


RIGHTS: dict[Who, Rights] = {
    Who.GATEWAY: Rights(
        publish=(
            *_API,
            "$KV.hub_keys.>",
            "$KV.hub_keyrings.>",
            "$KV.hub_sessions.>",
            "$KV.hub_stops.>",
            "$KV.hub_enrolments.>",
            "$KV.hub_updates.>",
            "$KV.hub_health.>",
            "$KV.hub_testimonies.>",
            "$KV.hub_bridges.>",
            "$KV.hub_bridge_renewals.>",
            "hub.records.*",
            "hub.results.*",
            "hub.notices.*",
            "hub.doubts.*",
            "hub.telemetry.*",
            "hub.renewals.*",
            "hub.lives.*",
            "hub.present",
        ),
        subscribe=(_INBOX, "$KV.>", "hub.commands.*", "hub.lives.*"),
    ),
    Who.ISSUER: Rights(
        publish=(
            *_API,
            "$JS.API.STREAM.PURGE.HUB_RECORDS",
            "$KV.hub_keys.>",
            "$KV.hub_stops.>",
            "$KV.hub_enrolments.>",
            "$KV.hub_certificates.>",
            "$KV.hub_tls_certificates.>",
            "$KV.hub_updates.>",
            "$KV.hub_health.>",
            "$KV.hub_bridges.>",
            "$KV.hub_mandates.>",
            "$KV.hub_ends.>",
            "$KV.hub_bridge_renewals.>",
            "hub.replaced.*.*",
        ),
        subscribe=(_INBOX,),
    ),
    Who.SERVER: Rights(
        publish=(
            "$JS.API.STREAM.INFO.KV_hub_policy",
            "$KV.hub_policy.>",
            "$JS.API.STREAM.MSG.GET.KV_hub_policy",
            "$JS.API.STREAM.PURGE.KV_hub_policy",
            "$JS.API.STREAM.MSG.GET.KV_hub_keys",
            "$JS.API.STREAM.MSG.GET.HUB_RESULTS",
            "$JS.API.STREAM.MSG.GET.HUB_RECORDS",
            "$JS.API.STREAM.MSG.GET.KV_hub_sessions",
            "$JS.API.STREAM.MSG.GET.KV_hub_stops",
            "$JS.API.STREAM.MSG.GET.KV_hub_updates",
            "$JS.API.STREAM.MSG.GET.KV_hub_health",
            "$JS.API.STREAM.MSG.GET.KV_hub_certificates",
            "$JS.API.STREAM.MSG.GET.KV_hub_tls_certificates",
            "$JS.API.STREAM.MSG.GET.KV_hub_enrolments",
            "$JS.API.STREAM.MSG.GET.KV_hub_mandates",
            "$JS.API.STREAM.MSG.GET.KV_hub_testimonies",
        ),
        subscribe=(
            "hub.results.*",
            "hub.records.*",
            "hub.notices.*",
            "hub.present",
            "hub.telemetry.*",
            _INBOX,
        ),
    ),
    Who.PERSON: Rights(publish=(">",), subscribe=(">",)),
}

_REFUSED = re.compile(
    r'permissions violation for (publish|subscription) to "([^"\s]{1,256})"', re.I
)


def covers(wider: str, subject: str) -> bool:
    """Tell whether who may `wider` may `subject`: the engine's wildcards, token by token."""
    said = wider.split(".")
    wanted = subject.split(".")
    for at, one in enumerate(said):
        if at == len(wanted):
            return False
        if one == ">":
            return True
        if one != wanted[at] and (one != "*" or wanted[at] == ">"):
            return False
    return len(said) == len(wanted)


def missing(refusal: str, who: Who) -> str:
    """Return what an account lacks, and how to get it (law 5); "" where that is no such refusal.

    `refusal`: the engine's words. The library has made small letters of them.
    """
    found = _REFUSED.search(refusal)
    if found is None:
        return ""
    is_publish = found[1].lower() == "publish"
    rights = (*RIGHTS[who].publish, ORDERS) if is_publish else RIGHTS[who].subscribe
    lines = (one for one in rights if covers(one.lower(), found[2].lower()))
    line = next(lines, found[2])
    typed = "hubsite setup --orders shuts" if line == ORDERS and is_publish else "hubsite setup"
    kind = "publish" if is_publish else "subscribe"
    return (
        f"the account of {who.value} at the engine lacks `{line}` under `{kind}`: `{typed}`, typed "
        "again by root, writes it into the engine's file; by hand write it there, and start the "
        "engine again (docs/backend.md, Accounts at the engine)"
    )
