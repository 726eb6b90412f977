"""A site for desks and tests: its keys and documents, as files in one folder.

`documents` makes keys and signed documents, `folder` is the site's folder, `making` makes a site
and its hubs, `hubfiles` writes what a hub reads.
"""

from hubsim.site.documents import (
    DAY,
    GRANT_DAYS,
    GRANT_DAYS_MAX,
    HUB_DAYS,
    OPEN_AND_QUERY,
    Validity,
    certify_hub,
    make_grant,
    make_key,
)
from hubsim.site.folder import DEFAULT_BACKEND, DESK, FIRST_OPERATOR, Site, at
from hubsim.site.hubfiles import DeskDoor, desk_doors, export, write_config
from hubsim.site.making import add_hub, certify, certify_new, check_new, end_hub, init

__all__ = [
    "DAY",
    "DEFAULT_BACKEND",
    "DESK",
    "FIRST_OPERATOR",
    "GRANT_DAYS",
    "GRANT_DAYS_MAX",
    "HUB_DAYS",
    "OPEN_AND_QUERY",
    "DeskDoor",
    "Site",
    "Validity",
    "add_hub",
    "at",
    "certify",
    "certify_hub",
    "certify_new",
    "check_new",
    "desk_doors",
    "end_hub",
    "export",
    "init",
    "make_grant",
    "make_key",
    "write_config",
]
