"""What hub and bridge call things in their messages, and how large those may be."""

from __future__ import annotations

from hubcore.backend.uplink.words import (
    MAX_DOCUMENT_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_RECORD_BYTES,
)

PROTOCOL = 1
"""Of the talk between hub and bridge; the uplink counts its own."""
DOCUMENT_BYTES = MAX_DOCUMENT_BYTES
"""A signed document that a bridge carries: an order, a mandate, a receipt or a testimony."""
FROM_HUB_BYTES = MAX_RECORD_BYTES + 64
"""The longest message of a hub: a record."""
FROM_BRIDGE_BYTES = MAX_MESSAGE_BYTES
"""The longest message of a bridge: a policy."""
FIRST_BYTES = 512
"""The longest first message of either side. Until it has come, nothing longer is read."""
AGE_SECONDS_MAX = 0xFFFFFFFF
FULL_SECONDS_MAX = 600
"""The longest pause that a full bridge asks for."""
SITE_ITEMS_MAX = 2048
"""Documents that a hub keeps of the site's orders: mandates and orders."""
SITE_ITEM_BYTES = DOCUMENT_BYTES + 8
