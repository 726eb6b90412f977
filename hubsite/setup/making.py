"""All files of a site's machine, each made where it is missing.

How it works: secrets first, then what follows from them, then configurations. So whatever breaks it
off, the same again goes on, and what is public always fits what is secret.

Laws:
1. Where the issuer's public key is and the secret one is not, it lies elsewhere: no other is made.
2. What is kept must be of this site, and name these keys; else nothing more is made.
3. An engine's file of an earlier version gets the rights that this one needs
   (`hubsite.setup.accounts`).
4. A new site has a card key, in the files of the gateway and of what signs alone. One that was made
   without gets it where somebody asks for cards by name, and so do both configurations. Nothing
   else of them is changed.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from hubcore.access.cards import CARD_KEY_BYTES
from hubcore.codec import cbor
from hubcore.codec.tls import pem_of
from hubcore.errors import ConfigError
from hubgateway.config import load, load_issuer, parse
from hubgateway.engine.account import account_of, new_account
from hubgateway.engine.rights import Who
from hubgateway.issuer.holding.files import read_plain
from hubgateway.issuer.keys import new_authority, new_pem
from hubgateway.issuer.signing.config import load_signing, parse_signing
from hubsite import config
from hubsite.commands.begin import new_secret
from hubsite.setup import places, texts
from hubsite.setup.accounts import Brought, bring_rights, engine_text
from hubsite.setup.certificate import Given, have_certificate
from hubsite.setup.disk import SECRET, Disk
from hubsite.setup.orders import (
    OrderLevel,
    check_points,
    checked,
    document_of,
    settle_orders,
)
from hubsite.setup.texts import Wish

ACCOUNTS = {
    Who.GATEWAY: (places.GATEWAY_ACCOUNT, ""),
    Who.ISSUER: (places.ISSUER_ACCOUNT, ""),
    Who.SERVER: (places.SERVER_ACCOUNT, places.SERVER_USER),
    Who.PERSON: (places.PERSON_ACCOUNT, ""),
}
"""Where the key of each account lies, and whose it is."""


@dataclass(frozen=True, slots=True)
class Public:
    """What follows from the secrets: the gateways' port for new hubs, and the accounts."""

    enrolment_key: str
    accounts: dict[Who, str]


def make_files(disk: Disk, wish: Wish, given: Given, now: int) -> Brought:
    """Make what is missing; `now` in Unix seconds. Return what is told of the engine's accounts.

    Raise ConfigError, StoreError.
    """
    check_points(wish.orders, wish.points)
    config.parse(texts.server_text(wish).encode(), disk.at(places.SERVER_FILE))  # what was typed
    disk.clear(places.FILES)
    have_certificate(disk, wish.host, given, now)
    _issuer(disk)
    _authority(disk, wish.site, now)
    _card_key(disk, wish)
    public = _secrets(disk)
    disk.keep(places.SERVER_SECRET, new_secret, SECRET, places.SERVER_USER)
    _configurations(disk, wish, public)
    _check(disk, wish, public)
    brought = _bring_rights(disk, public)
    if wish.cards is not None:
        _settle_cards(disk, wish.cards)
    if wish.settles_orders:
        settle_orders(disk, wish.orders, wish.points)
    return brought


def _issuer(disk: Disk) -> None:
    """Have the issuer's key, and its public half in each folder (law 1)."""
    public = _first(disk, places.ISSUER)
    pem = disk.read_secret(places.ISSUER_KEY)
    if pem is None and public is None:
        pem = disk.keep(places.ISSUER_KEY, new_pem, SECRET)
    if public is None:
        public = cbor.encode(read_plain(places.ISSUER_KEY, pem or b"").cose_key)
    _spread(disk, places.ISSUER, public)


def _authority(disk: Disk, site: str, now: int) -> None:
    """The same for the TLS authority."""
    document = _first(disk, places.AUTHORITY)
    pem = disk.read_secret(places.AUTHORITY_KEY)
    if pem is None and document is None:
        pem = disk.keep(places.AUTHORITY_KEY, new_pem, SECRET)
    if document is None:
        key = read_plain(places.AUTHORITY_KEY, pem or b"")
        document = pem_of(new_authority(site, key, now).document)
    _spread(disk, places.AUTHORITY, document)


def _first(disk: Disk, name: str) -> bytes | None:
    """Return what the first folder has that has it."""
    found = (disk.read(f"{folder}/{name}") for folder in places.PUBLIC_FOLDERS)
    return next((data for data in found if data is not None), None)


def _spread(disk: Disk, name: str, data: bytes) -> None:
    for folder in places.PUBLIC_FOLDERS:
        if disk.keep(f"{folder}/{name}", lambda: data) != data:
            raise ConfigError(f"{disk.at(folder)}/{name} is of another site than the others")


def _secrets(disk: Disk) -> Public:
    _curve(disk, places.CURVE_SECRET)
    enrolment_key = _curve(disk, places.ENROLMENT_SECRET)
    accounts = {}
    for who, (place, user) in ACCOUNTS.items():
        seed = disk.keep(place, lambda: new_account().seed.encode(), SECRET, user)
        try:
            accounts[who] = account_of(seed).public
        except ValueError as error:
            raise ConfigError(f"{disk.at(place)}: {error}") from error
    return Public(enrolment_key, accounts)


def _card_key(disk: Disk, wish: Wish) -> None:
    """Have the site's card key, one in both files (law 4). Raise ConfigError."""
    if wish.cards is None and _is_without_cards(disk):
        return
    there = (disk.read(place) for place in (places.CARD_KEY, places.GATEWAY_CARD_KEY))
    key = next((one for one in there if one is not None), None)
    made = secrets.token_bytes(CARD_KEY_BYTES) if key is None else key
    for place in (places.CARD_KEY, places.GATEWAY_CARD_KEY):
        kept = disk.keep(place, lambda: made, SECRET)
        if kept != made or len(kept) != CARD_KEY_BYTES:
            raise ConfigError(
                f"{disk.at(place)}: it is not the {CARD_KEY_BYTES} bytes of "
                f"{disk.at(places.CARD_KEY)}: a site has one card key"
            )


def _is_without_cards(disk: Disk) -> bool:
    """Tell whether a site of before says nothing of a card key."""
    said = disk.read(places.SIGNING_FILE)
    return said is not None and not parse_signing(said, disk.at(places.SIGNING_FILE)).card_key


def _settle_cards(disk: Disk, number: int) -> None:
    """Have both files say the card key, and the signer's how many there are (law 4)."""
    signing = disk.at(places.SIGNING_FILE)
    gateway = disk.at(places.GATEWAY_FILE)
    both = (places.SIGNING_FILE, places.GATEWAY_FILE)
    before = {place: disk.read(place) or b"" for place in both}
    of_signer = document_of(before[places.SIGNING_FILE], signing)
    _say_key(of_signer, signing)
    if "limits" not in of_signer:
        of_signer["limits"] = {}
    if of_signer["limits"].get("cards") != number:
        of_signer["limits"]["cards"] = number
    of_gateway = document_of(before[places.GATEWAY_FILE], gateway)
    _say_key(of_gateway["enrolment"], gateway)
    after = {
        places.SIGNING_FILE: checked(of_signer, signing, parse_signing),
        places.GATEWAY_FILE: checked(of_gateway, gateway, parse),
    }
    for place, text in after.items():
        if text != before[place]:
            disk.change(place, before[place], text)


def _say_key(section: Any, path: Path) -> None:
    said = section.get("card_key", "")
    if said not in ("", texts.CARD_KEY):
        raise ConfigError(f"{path}: card_key is {said}: --cards knows {texts.CARD_KEY} alone")
    if not said:
        section["card_key"] = texts.CARD_KEY


def _curve(disk: Disk, place: str) -> str:
    """Have a secret key of Curve; return the public half (Z85)."""
    secret = disk.keep(place, lambda: zmq.curve_keypair()[1], SECRET)
    try:
        return zmq.curve_public(secret.strip()).decode("ascii")
    except (ValueError, zmq.ZMQError, KeyError) as error:
        raise ConfigError(f"{disk.at(place)}: it is no Curve key in Z85") from error


def _configurations(disk: Disk, wish: Wish, public: Public) -> None:
    ports = wish.ports
    orders = wish.orders is not OrderLevel.NONE
    engine = engine_text(public.accounts, ports.engine, ports.monitor, orders)
    for place, text in (
        (places.ENGINE_FILE, engine),
        (places.GATEWAY_FILE, texts.gateway_text(wish)),
        (places.SIGNING_FILE, texts.signing_text(wish, public.enrolment_key)),
        (places.ISSUER_FILE, texts.issuer_text(wish, public.enrolment_key)),
        (places.SERVER_FILE, texts.server_text(wish)),
    ):
        disk.keep(place, text.encode)


def _check(disk: Disk, wish: Wish, public: Public) -> None:
    """Read what is there as the programs do (law 2). Raise ConfigError."""
    engine = (disk.read(places.ENGINE_FILE) or b"").decode("utf-8", "replace")
    for who, key in public.accounts.items():
        if key not in engine:
            _refuse(disk, places.ENGINE_FILE, f"it does not name the account of {who.value}, {key}")
    signing = load_signing(disk.at(places.SIGNING_FILE))
    issuer = load_issuer(disk.at(places.ISSUER_FILE))
    for place, named in (
        (places.SIGNING_FILE, signing.enrolment and signing.enrolment.enrolment_key),
        (places.ISSUER_FILE, issuer.enrolment_key),
    ):
        if named != public.enrolment_key:
            _refuse(disk, place, f"its enrolment_key is not {public.enrolment_key}")
    gateway = load(disk.at(places.GATEWAY_FILE))
    server = config.parse(disk.read(places.SERVER_FILE) or b"", disk.at(places.SERVER_FILE))
    for place, site in (
        (places.GATEWAY_FILE, gateway.enrolment and gateway.enrolment.site),
        (places.SIGNING_FILE, signing.site),
        (places.ISSUER_FILE, issuer.site),
        (places.SERVER_FILE, server.site),
    ):
        if site != wish.site:
            _refuse(disk, place, f"it is not of the site {wish.site}")


def _bring_rights(disk: Disk, public: Public) -> Brought:
    """Keep law 3. Raise StoreError."""
    before = disk.read(places.ENGINE_FILE) or b""
    brought = bring_rights(before.decode("utf-8", "surrogateescape"), public.accounts)
    if brought.added:
        after = brought.text.encode("utf-8", "surrogateescape")
        disk.change(places.ENGINE_FILE, before, after)
    return brought


def _refuse(disk: Disk, place: str, why: str) -> None:
    path = disk.at(place)
    raise ConfigError(f"{path} is kept, but {why}: mend it, or move it away; then type the same")
