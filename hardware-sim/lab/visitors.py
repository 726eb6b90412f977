"""Phones that may open a door, each with a name of its own.

A hub lets one phone in at most OPS_AN_ASKER times in OP_SECONDS: a test that opens more often sends
another phone.
"""

from __future__ import annotations

import secrets

from hubcore.access.grant import Access
from hubsim import site as sites
from hubsim.phone import wallet as wallets
from hubsim.phone.wallet import Wallet
from hubsim.site import Site

VISITS_A_PHONE = 8
"""Few enough that all of them may come to nothing (`hubcore.access.once.TRIES`)."""


def visitor(site: Site, point: int = 1) -> Wallet:
    """Make a phone that was never here and may open and query the access point at any time."""
    name = secrets.token_hex(4)
    access = [Access(point, sites.OPEN_AND_QUERY, ())]
    return wallets.load(site.grant(name, access))
