"""The radio that phones find the hub by: `[radio]`, a class for each kind; and `[pkoc]`.

Laws of `[pkoc]`:
1. It is off where the section is missing.
2. It is for one access point: PKOC's first message names one location, and a phone cannot choose.
3. The site's own key signs only where the file says so in words (`signs_as = "site"`).
4. It goes with no beacon: an advertisement has no room for both.
5. Its phones share the radio's links with the site's own: there are LINKS_MIN at least.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from hubcore.phone import beacon, gatt
from hubd.config.keys import Keys
from hubd.config.mistakes.sentences import WrongValueError, show
from hubd.config.section import KIND, Section


class Bluez(Section, frozen=True, tag_field=KIND, tag="bluez"):
    """A Bluetooth adapter of this machine.

    `company` and `rotate_seconds` matter only with `keys.beacon`: the tag advertises under that
    company number, and changes so often. `shown_name` is what the hub is called in its scan
    response, "" for no name: pages can find this hub by it, and so can anybody else.
    """

    adapter: Annotated[
        str,
        Meta(
            pattern=r"\A(default|([0-9A-F]{2}:){5}[0-9A-F]{2})\Z",
            description='"default" or an adapter\'s address such as "00:1A:7D:DA:71:13"',
        ),
    ] = "default"
    company: Annotated[
        int,
        Meta(ge=0, le=0xFFFF, description="0 to 65535, as the Bluetooth SIG assigned it"),
    ] = beacon.COMPANY_NONE
    rotate_seconds: Annotated[
        float,
        Meta(ge=1, le=3600, description="1 to 3600"),
    ] = beacon.ROTATE_SECONDS
    shown_name: Annotated[
        str,
        Meta(
            pattern=rf"\A(?:{gatt.SHOWN_NAME})?\Z",
            description='1 to 20 letters, digits, spaces, ".", "_", "-", such as "Hub 12"; or ""',
        ),
    ] = ""


Radio = Bluez
"""A union of all kinds of radios."""

NO_BROWSERS_AEAD = "A192GCM"
PKOC_READER = "pkoc"
"""The id under which its claims stand in records; no other reader may have it."""
LINKS_MIN = 2
"""`protocol.links_max` is at least this where `[pkoc]` is there: half of the links is PKOC's."""
_UUID = Annotated[
    UUID,
    Meta(description='a UUID such as "6f1c2d3e-0b4a-4c5d-8e9f-a1b2c3d4e5f6"'),
]


class Pkoc(Section, frozen=True, kw_only=True):
    """Phones that others make, at one access point, by PKOC over Bluetooth LE.

    `site` and `location`: what phones know the site and this reader by. `signs_as`: "reader" needs
    keys.pkoc_certificate, and keys.pkoc_key is this reader's own; with "site" it is the key of the
    whole site.
    """

    access_point: Annotated[
        int,
        Meta(ge=1, le=65535, description="the number of one of [[doors.access_points]]"),
    ]
    site: _UUID
    location: _UUID
    signs_as: Annotated[
        Literal["reader", "site"],
        Meta(description='"reader" or "site"'),
    ] = "reader"


def check_shown_name(radio: Radio, aeads: Collection[str]) -> None:
    """Raise WrongValueError for a name for browsers, beside ciphers that no browser has."""
    if radio.shown_name and set(aeads) == {NO_BROWSERS_AEAD}:
        expected = (
            '"A256GCM" or "A128GCM" among them, because radio.shown_name is for browsers, '
            "and none has the other"
        )
        raise WrongValueError(("protocol", "aead"), expected, show(list(aeads)))


def check_pkoc(
    pkoc: Pkoc,
    keys: Keys,
    access_points: Collection[int],
    readers: Collection[str],
    links_max: int,
) -> None:
    """Raise WrongValueError for a `[pkoc]` that does not go with the rest of the file.

    `readers` are the ids of [[readers]].
    """
    if pkoc.access_point not in access_points:
        known = ", ".join(map(str, sorted(access_points)))
        expected = f"the number of an access point of [[doors]]: {known}"
        raise WrongValueError(("pkoc", "access_point"), expected, str(pkoc.access_point))
    if PKOC_READER in readers:
        expected = f"another id than {show(PKOC_READER)}, because [pkoc] is there"
        raise WrongValueError(("readers",), expected, show(PKOC_READER))
    if links_max < LINKS_MIN:
        expected = f"at least {LINKS_MIN}, because [pkoc] is there and takes half of the links"
        raise WrongValueError(("protocol", "links_max"), expected, str(links_max))
    for name in ("card_key", "pkoc_key"):
        keys.check_has(name, "[pkoc]")
    by_reader = pkoc.signs_as == "reader"
    if by_reader:
        keys.check_has("pkoc_certificate", 'signs_as = "reader" of [pkoc]')
    elif keys.pkoc_certificate is not None:
        expected = 'signs_as = "reader", because keys.pkoc_certificate is there'
        raise WrongValueError(("pkoc", "signs_as"), expected, show(pkoc.signs_as))
    if keys.beacon is not None:
        expected = "nothing, because [pkoc] is there and an advertisement has no room for both"
        raise WrongValueError(("keys", "beacon"), expected, "a key")
