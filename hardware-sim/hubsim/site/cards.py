"""The cards of a site, and what its doors demand: rows of its policy.

    SITE/card.key            the card key, as each hub with readers has it
    SITE/cards/NAME.json     what a simulated card holds: its number is in no policy

Laws:
1. The policy has digests alone (`hubcore.access.cards`).
2. A name is one card; a card number is one card of the site.
3. Only their owner may read these files.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hubcore.access.cards import CARD_KEY_BYTES, Card, CardNumber, card_digest, pin_digest
from hubcore.access.factors import Demand
from hubcore.access.grant import Access
from hubcore.policy.policy import PointRules, Policy
from hubsim.phone.wallet import write_private
from hubsim.site.documents import GRANT_DAYS, Validity
from hubsim.site.folder import Site
from hubsim.weekly import refuse_never

_CREDENTIAL_BYTES = 8


@dataclass(frozen=True, slots=True)
class Pins:
    """The PIN of a card, and the one that opens and tells of a threat."""

    pin: str | None = field(default=None, repr=False)
    duress: str | None = field(default=None, repr=False)


def card_key(site: Site) -> bytes:
    """Return the site's card key; make it when there is none yet."""
    path = site.path / "card.key"
    if not path.exists():
        write_private(path, secrets.token_bytes(CARD_KEY_BYTES))
    return path.read_bytes()


def add_card(
    site: Site,
    name: str,
    card: CardNumber | bytes,
    access: Sequence[Access],
    pins: Pins,
    validity: Validity | None = None,
) -> Policy:
    """Add a card to the policy, published; return it.

    `card` is its number, or its digest as the record of an unknown card has it (`grant`).
    Raise ValueError for a name or a card that is there, a PIN that is none, or a rule that never
    holds.
    """
    file = _file(site, name)
    if file.exists():
        raise ValueError(f"there is a card {name} already: choose another name")
    if not access:
        raise ValueError("a card opens at least one access point: say which")
    for entry in access:
        refuse_never(entry.rules)
    key = card_key(site)
    digest = card if isinstance(card, bytes) else card_digest(key, card.bits, card.data)
    old = site.policy()
    if digest in old.cards:
        raise ValueError("a card of the site has that number already")
    if pins.pin is not None and pins.pin == pins.duress:
        raise ValueError("the duress PIN is the PIN: choose another one")
    if pins.pin is None and pins.duress is not None:
        raise ValueError("a duress PIN needs a PIN beside it")
    validity = validity or Validity.days(GRANT_DAYS)
    row = Card(
        digest=digest,
        credential=secrets.token_hex(_CREDENTIAL_BYTES),
        not_before=validity.not_before,
        expires=validity.expires,
        access=tuple(access),
        pin=None if pins.pin is None else pin_digest(key, digest, pins.pin),
        duress=None if pins.duress is None else pin_digest(key, digest, pins.duress),
    )
    new = site.change(cards={**old.cards, digest: row})
    file.parent.mkdir(exist_ok=True, mode=0o700)
    about: dict[str, object] = {"credential": row.credential}
    if isinstance(card, CardNumber):
        about |= {"bits": card.bits, "data": card.data.hex()}
    write_private(file, json.dumps(about).encode())
    return new


def card_names(site: Site) -> tuple[str, ...]:
    """Return the names of the cards."""
    return tuple(sorted(path.stem for path in site.path.glob("cards/*.json")))


def card_number(site: Site, name: str) -> CardNumber:
    """Return what a card tells a reader. Raise ValueError when nobody here knows it."""
    about = _about(site, name)
    if "data" not in about:
        raise ValueError(f"card {name} was made by its digest: nobody here knows its number")
    return CardNumber(int(about["bits"]), bytes.fromhex(about["data"]))


def card_credential(site: Site, name: str) -> str:
    """Return the opaque id of a card's holder. Raise ValueError when there is no such card."""
    return str(_about(site, name)["credential"])


def demand(site: Site, access_point: int, demands: Sequence[Demand]) -> Policy:
    """Let an access point demand this, in a new policy, published; nothing: one factor will do."""
    old = site.policy()
    rules = old.points.get(access_point, PointRules())
    points = {**old.points, access_point: replace(rules, demands=tuple(demands))}
    return site.change(points=points)


def _file(site: Site, name: str) -> Path:
    return site.path / "cards" / f"{name}.json"


def _about(site: Site, name: str) -> dict[str, str]:
    file = _file(site, name)
    if not file.is_file():
        there = ", ".join(card_names(site)) or "none"
        raise ValueError(
            f"there is no card {name}: make it with `hubsim site card`; there: {there}"
        )
    about: dict[str, str] = json.loads(file.read_text())
    return about
