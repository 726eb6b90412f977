"""The GATT table: fixed, in this order.

Laws:
1. A later table gets a new service UUID, because phones cache what they saw.
2. RX is `write` only, so that each write is answered and so paced. TX is `notify`; TXR and INFO are
   `read`.
3. No attribute demands pairing or encryption of the link: the messages have security of their own.
"""

from __future__ import annotations

SERVICE = "7a3c0001-5f0e-4c53-9a6e-2f8d1b6e4a90"
INFO = "7a3c0002-5f0e-4c53-9a6e-2f8d1b6e4a90"
RX = "7a3c0003-5f0e-4c53-9a6e-2f8d1b6e4a90"
TX = "7a3c0004-5f0e-4c53-9a6e-2f8d1b6e4a90"
TXR = "7a3c0005-5f0e-4c53-9a6e-2f8d1b6e4a90"

ATT_MTU_MAX = 517
APPLICATION_ERROR = 0x80
"""The ATT error of a write to RX that breaks a rule; the reason stays with the hub."""

ADVERTISING_INTERVAL_SECONDS = 0.03
SHOWN_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,18}[A-Za-z0-9])?"
"""What a hub may be called on the air: at most 20 characters of ASCII, so that a scan response of
31 bytes has it whole.
"""
