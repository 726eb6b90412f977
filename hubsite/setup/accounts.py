"""The engine of one machine: who may publish and hear what there, and its configuration.

Laws:
1. Each program has an account of its own, by a key (`hubgateway.engine.account`). Nobody else gets
   in. The file has public halves alone.
2. The server reads hubs and writes policies. It makes no hub. It orders at hubs only where it was
   said that it does: then its account has one subject more.
3. The gateway writes no policy, no certificate, no list of ends and no order.
4. What signs writes what makes a hub, and no record, policy or order.
5. The person at the machine may all: by a key that root alone reads.

docs/site.md and docs/backend.md have these tables, with what each line is for.
"""

from __future__ import annotations

import json
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


def engine_text(keys: dict[Who, str], port: int, monitor: int, orders: bool = False) -> str:
    """Return the engine's configuration; `keys` are the public halves of the accounts.

    `orders`: whether the server orders at hubs.
    """
    users = "\n".join(_user(who, keys[who], orders) for who in Who)
    return (
        "# The engine of this site, by `hubsite setup`: docs/backend.md explains it.\n"
        f"listen: 127.0.0.1:{port}\nmax_payload: 1MB\n"
        "# Its health page, on which hubengine sees that the disk was full.\n"
        f"http: 127.0.0.1:{monitor}\n"
        "jetstream {\n    store_dir: /var/lib/nats\n"
        "    # Without it an acknowledgement comes before the disk has the record.\n"
        "    sync_interval: always\n}\n"
        f"authorization {{\n    users: [\n{users}\n    ]\n}}\n"
    )


def _user(who: Who, key: str, orders: bool) -> str:
    rights = RIGHTS[who]
    more = (ORDERS,) if orders and who is Who.SERVER else ()
    publish = _listed((*more, *rights.publish))
    subscribe = _listed(rights.subscribe)
    return (
        f"        # {who.value}\n        {{\n            nkey: {key}\n"
        f"            permissions {{\n                publish: [{publish}]\n"
        f"                subscribe: [{subscribe}]\n            }}\n        }}"
    )


def _listed(subjects: tuple[str, ...]) -> str:
    lines = "".join(f"\n                    {json.dumps(one)}" for one in subjects)
    return f"{lines}\n                "
