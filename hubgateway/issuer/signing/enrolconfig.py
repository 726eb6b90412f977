"""`[enrolment]` in the file of `hubissuer serve`: what a site's server may have done about hubs.

Law: without this section nothing is done about hubs. What it does not name is not done: no access
point, no new hub, no end, and no machine in another's place.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from hubcore.issuing.hubrules import REMEMBERED_MAX
from hubcore.issuing.limits import HubLimits
from hubgateway.config import Servers, Z85Key

_NONE = HubLimits()
_Count = Annotated[int, Meta(ge=0, le=REMEMBERED_MAX)]
_Point = Annotated[int, Meta(ge=1, le=65_535)]


class EnrolmentSection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The engine with an account of its own, the authority's key, and the limits.

    `authority` and `in_clear` are as in the gateway's file. `enrolment_key` is the public key of
    the gateways' port for new hubs.
    """

    servers: Servers
    enrolment_key: Z85Key
    authority_key: str
    tls_authority: str
    authority_secret: str = ""
    credentials: str = ""
    authority: str = ""
    in_clear: bool = False
    replicas: Annotated[int, Meta(ge=1, le=5)] = 1
    hub_days: Annotated[int, Meta(ge=1, le=3660)] = 365
    access_points: Annotated[tuple[_Point, ...], Meta(max_length=4096)] = ()
    new_hubs_a_day: _Count = _NONE.new_hubs_a_day
    ends_a_day: _Count = _NONE.ends_a_day
    acts_a_day: _Count = _NONE.acts_a_day
    replace: bool = _NONE.may_replace

    def limits(self) -> HubLimits:
        """Return what it allows."""
        return HubLimits(
            access_points=frozenset(self.access_points),
            new_hubs_a_day=self.new_hubs_a_day,
            ends_a_day=self.ends_a_day,
            acts_a_day=self.acts_a_day,
            may_replace=self.replace,
        )
