"""The site of the demo: four phones, and a card with a PIN."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from hubcore.access.cards import CardNumber
from hubcore.access.factors import Demand, Factor
from hubcore.access.grant import Access
from hubcore.calendar.recurrence import MINUTES_A_DAY
from hubcore.calendar.schedule import Rule
from hubsim.site import DAY, OPEN_AND_QUERY, Site, Validity
from hubsim.site.building import FRONT, READER
from hubsim.site.cards import Pins, add_card, demand
from hubsim.site.readers import add_reader

DAYS_A_WEEK = 7
PIN = "402913"


def grant_phones(site: Site) -> None:
    """Make four phones: two with good grants, one expired, one out of its schedule."""
    always = [Access(FRONT.access_point, OPEN_AND_QUERY, ())]
    site.grant("anna", always)
    site.grant("bert", always)

    now = int(time.time())
    expired = Validity(now - 3 * DAY, now - DAY)
    site.grant("carl", always, expired)

    today = datetime.now(UTC).weekday()
    another_day = Rule(1 << (today + 3) % DAYS_A_WEEK, 0, MINUTES_A_DAY)
    elsewhen = [Access(FRONT.access_point, OPEN_AND_QUERY, (another_day,))]
    site.grant("dora", elsewhen)


def give_card(site: Site) -> None:
    """Put a reader beside the door, where a card is not enough without its PIN."""
    always = [Access(FRONT.access_point, OPEN_AND_QUERY, ())]
    add_reader(site, site.first_hub, READER, FRONT.access_point)
    add_card(site, "ella", CardNumber.of(0x2C0FFEE, 26), always, Pins(PIN))
    either = Demand((Factor.PHONE, Factor.CARD | Factor.PIN))
    demand(site, FRONT.access_point, [either])
