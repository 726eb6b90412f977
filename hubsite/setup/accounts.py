"""The engine of one machine: its configuration, with an account for each program.

How it works: `engine_text` makes the file. `bring_rights` looks at each account of a program in a
file that is there, from whichever version, and puts lines into its two lists of subjects.

Laws:
1. Each program has an account of its own, by a key (`hubgateway.engine.account`), with the rights
   of `hubgateway.engine.rights`. Nobody else gets in. The file has public halves alone.
2. What an account lacks of these rights is put into its lists, and nothing else changes. What
   covers it already, by the engine's wildcards, is enough.
3. An account that is not of the form that setup makes is left, and so is a line that somebody has
   made a comment. Both are told, with what is missing.
4. The person's account is his own to change, and what orders is `hubsite.setup.orders`'.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from hubgateway.engine.rights import ORDERS, RIGHTS, Who, covers

_INDENT = 20 * " "
_ITEMS = r'(?:\s|,|"[^"\\\n]*"|#[^\n]*\n)*'
_ACCOUNT = (
    r"(?m)^[ \t]*nkey: {}\n\s*permissions \{{\s*publish: \[("
    + _ITEMS.replace("{", "{{").replace("}", "}}")
    + r")\]\s*subscribe: \[("
    + _ITEMS.replace("{", "{{").replace("}", "}}")
    + r")\]\s*\}}"
)
_ITEM = re.compile(r'#(?P<aside>[^\n]*)|"(?P<subject>[^"\\\n]*)"')
PROGRAMS = (Who.GATEWAY, Who.ISSUER, Who.SERVER)


@dataclass(frozen=True, slots=True)
class Brought:
    """The engine's file with what was missing; `added` and `left` are sentences for a person."""

    text: str
    added: tuple[str, ...]
    left: tuple[str, ...]


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


def bring_rights(text: str, keys: dict[Who, str]) -> Brought:
    """Give each program's account in the engine's file what this version needs (laws 2 to 4).

    `keys` are the public halves.
    """
    added: list[str] = []
    left: list[str] = []
    for who in PROGRAMS:
        found = list(re.finditer(_ACCOUNT.format(re.escape(keys[who])), text))
        if len(found) != 1:
            left.extend(_unknown(text, who, keys[who]))
            continue
        text = _bring(text, found[0], who, added, left)
    return Brought(text, tuple(added), tuple(left))


def _bring(text: str, account: re.Match[str], who: Who, added: list[str], left: list[str]) -> str:
    """Put into both lists of an account what they lack; the second first, so that places stay."""
    rights = RIGHTS[who]
    for group, kind, wanted in ((2, "subscribe", rights.subscribe), (1, "publish", rights.publish)):
        listed = account[group]
        items = list(_ITEM.finditer(listed))
        has = [one["subject"] for one in items if one["subject"] is not None]
        aside = " ".join(one["aside"] for one in items if one["aside"] is not None)
        lacks = [one for one in wanted if not any(covers(wider, one) for wider in has)]
        is_aside = {one for one in lacks if f'"{one}"' in aside}
        left.extend(
            f"{who.value} needs `{one}` under `{kind}`, and it is a comment there"
            for one in lacks
            if one in is_aside
        )
        new = [one for one in lacks if one not in is_aside]
        added.extend(f"{who.value} may {kind} `{one}`" for one in new)
        text = text[: account.start(group)] + _with(listed, new) + text[account.end(group) :]
    return text


def _with(listed: str, new: list[str]) -> str:
    """Return a list with these before what it has, in its own form."""
    if listed.startswith("\n"):
        return "".join(f"\n{_INDENT}{json.dumps(one)}" for one in new) + listed
    return "".join(f"{json.dumps(one)}, " for one in new) + listed


def _unknown(text: str, who: Who, key: str) -> list[str]:
    """Say what is found nowhere at an account that setup does not know (law 3)."""
    part = text.partition(key)[2].partition("nkey:")[0]
    parts = re.split(r"\b(publish|subscribe|deny)\b", re.sub(r"(?m)(?:#|//).*$", "", part))
    has: dict[str, list[str]] = {}
    for kind, words in zip(parts[1::2], parts[2::2], strict=True):
        has.setdefault(kind, []).extend(re.findall(r'[^\s"\[\],{}:]+', words))
    rights = RIGHTS[who]
    lacks = [
        f"`{one}` under `{kind}`"
        for kind, wanted in (("publish", rights.publish), ("subscribe", rights.subscribe))
        for one in wanted
        if not any(covers(wider, one) for wider in has.get(kind, ()))
    ]
    if not lacks:
        return []
    return [f"the account of {who.value} is not as setup makes it, and lacks {', '.join(lacks)}"]
