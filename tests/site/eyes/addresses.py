"""Which address stands for each pattern of `hubsite/pages/urls.py`: a table that has to be whole.

A `{word}` is what `eyes.rows.Seen.keys` has for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

SUBJECTS = ("person", "group", "door", "point", "schedule", "calendar", "grant")

PAGES: Mapping[str, tuple[str, ...]] = {
    "home": ("/",),
    "account": ("/account",),
    "acts": ("/acts",),
    "hubs": ("/hubs",),
    "hubs-behind": ("/hubs/behind",),
    "ended-hubs": ("/hubs/ended",),
    "hub": ("/hubs/of/{hub}",),
    "hub-keys": ("/hubs/of/{hub}/keys",),
    "devices": ("/devices", "/devices?hub={hub}"),
    "device": ("/devices/of/{hub}/{device}", "/devices/of/{hub}/{shutter}"),
    "new-hubs": ("/new-hubs",),
    "new-hub-token": ("/new-hubs/token",),
    "new-hub": ("/new-hubs/of/{promise}",),
    "people-import": ("/person/import",),
    "orders": ("/orders",),
    "order": ("/orders/{order}", "/orders/{device-order}"),
    "doors-now": ("/now/doors",),
    "door-name": ("/now/doors/1",),
    "alarms": ("/now/alarms",),
    "records": ("/records", "/records?kind=access&credential=nobody"),
    "record": ("/records/{hub}/1", "/records/{hub}/2"),
    "guests": ("/guest",),
    "guest-add": ("/guest/add",),
    "guest": ("/guest/{guest}",),
    "door-sign": ("/point/{point}/sign",),
    "phone": ("/phone/{phone}",),
    "phone-add": ("/person/{person}/phone",),
    "phone-add-others": ("/person/{person}/pkoc",),
    "card-add": ("/person/{person}/card",),
    "webhooks": ("/webhooks",),
    "webhook-add": ("/webhooks/add",),
    "webhook": ("/webhooks/{webhook}",),
    "scim-tokens": ("/directories",),
    "rows": tuple(f"/{name}" for name in SUBJECTS),
    "add": tuple(f"/{name}/add" for name in SUBJECTS),
    "row": tuple(f"/{name}/{{{name}}}" for name in SUBJECTS),
}
"""What an operator opens."""

STRANGERS: Mapping[str, tuple[str, ...]] = {
    "sign-in": ("/sign-in",),
    "first-key": ("/first-key",),
    "join": ("/join/{join}",),
    "join-guest": ("/join/guest/{join-guest}",),
    "webphone": ("/webphone/",),
}
"""What anybody opens."""


def addresses_of(table: Mapping[str, Iterable[str]], keys: Mapping[str, object]) -> list[str]:
    """Return the addresses of a table, with what stands in its tables."""
    return [path.format_map(keys) for paths in table.values() for path in paths]


BY_FORM = 405
NO_PAGES: Mapping[str, tuple[str, int]] = {
    "sign-out": ("/sign-out", BY_FORM),
    "wrong-tries-read": ("/sign-in/wrong-tries", BY_FORM),
    "elsewhere-done": ("/sign-in/elsewhere/done", BY_FORM),
    "acts-verify": ("/acts/verify", BY_FORM),
    "people-imported": ("/person/imported", BY_FORM),
    "people-export": ("/person/export", BY_FORM),
    "order-give": ("/orders/give", BY_FORM),
    "order-ask": ("/orders/ask/lockdown", BY_FORM),
    "order-end": ("/orders/x/end", BY_FORM),
    "device-tell": ("/devices/of/x/y/tell", BY_FORM),
    "order-beside": ("/orders/x/beside", BY_FORM),
    "records-verify": ("/records/verify", BY_FORM),
    "records-export": ("/records/export", BY_FORM),
    "records-looked-at": ("/records/looked-at", BY_FORM),
    "invitation": ("/person/x/invitation", BY_FORM),
    "webhook-test": ("/webhooks/x/test", BY_FORM),
    "webhook-end": ("/webhooks/x/end", BY_FORM),
    "scim-revoke": ("/directories/1/revoke", BY_FORM),
    "token": ("/oauth/token", BY_FORM),
    "revoke-token": ("/oauth/revoke", BY_FORM),
    "api-key": ("/api/phone/key", BY_FORM),
    "api-grant": ("/api/phone/grant", BY_FORM),
    "api-passkey": ("/api/phone/passkey", BY_FORM),
    "api-passkey-asked": ("/api/phone/passkey/asked", BY_FORM),
    "api-again": ("/api/phone/again", 404),
    "elsewhere": ("/sign-in/elsewhere", 404),
    "elsewhere-back": ("/sign-in/elsewhere/back", 404),
    "door-link": ("/d/1", 302),
}
"""Addresses without a page that can be got, and what they answer."""

FILES: Mapping[str, str] = {
    "key-to-sign": "what a script asks",
    "first-key-to-make": "what a script asks",
    "key-to-make": "what a script asks",
    "key-to-show": "what a script asks",
    "doors-part": "a part of a page, which that page loads",
    "orders-part": "a part of a page, which that page loads",
    "order-part": "a part of a page, which that page loads",
    "asset": "a file of a page",
    "webphone-file": "a file of a page",
    "webphone-offers": "what a page's script asks",
    "authorize": "leads a phone on, once",
}
"""What is no page by itself, and why."""
