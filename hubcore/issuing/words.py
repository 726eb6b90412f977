"""The words of the talk between a site's server and what signs for it, and their ceilings."""

from __future__ import annotations

from enum import IntEnum

from hubcore.access import grant, revocations
from hubcore.bridge import mandate
from hubcore.errors import HubError
from hubcore.phone import certificates
from hubcore.policy import document

PROTOCOL = 1
DAY_SECONDS = 86_400
CLOCK_SECONDS = 300
"""How far the clocks of who asks and who signs may be apart."""
PAYLOAD_BYTES = document.MAX_BYTES
"""Claims and what comes along, together."""
ASK_BYTES = PAYLOAD_BYTES + 64
ANSWER_BYTES = PAYLOAD_BYTES + 2048
SENTENCE_BYTES = 400
ASKER_BYTES = 96
"""Who asked, in words: `uid 990`, or a name of TLS."""


class DocumentKind(IntEnum):
    """What is signed for a site's server; nothing else is. The numbers stand in messages."""

    POLICY = 1
    GRANT = 2
    REVOCATIONS = 3
    CERTIFICATE = 4
    """A hub's, for phones: a newer one for the same key."""
    MANDATE = 5
    """A newer one of the same limits."""

    @property
    def typ(self) -> str:
        """Return the `typ` in the document's protected header."""
        return _TYPES[self]

    @property
    def word(self) -> str:
        """Return what people, records and configurations call it."""
        return self.name.lower()


_TYPES = {
    DocumentKind.POLICY: document.TYPE,
    DocumentKind.GRANT: grant.TYPE,
    DocumentKind.REVOCATIONS: revocations.TYPE,
    DocumentKind.CERTIFICATE: certificates.HUB,
    DocumentKind.MANDATE: mandate.TYPE,
}


class Refusal(IntEnum):
    """Why nothing was signed. The numbers stand in messages."""

    UNREADABLE = 1
    """It is no document of this kind and site."""
    RULE = 2
    """It was read, and a rule forbids it."""
    PACE = 3
    """Too many at once: ask again in some seconds."""
    CEILING = 4
    """As many as a day may have were signed: a person must look."""
    CLOCK = 5
    """The signer's clock was set back: a person must look."""
    DISK = 6
    """Its log cannot be written."""
    KEY = 7
    """The key does not answer: its token is away."""
    OFFICE = 8
    """As hubs and promises stand, it cannot be done: the sentence says why."""
    ENGINE = 9
    """The engine is away, and a part may be done: ask for the same again."""


class RefusedError(HubError):
    """The signer refused a document; `refusal` says who must act, the text says why."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal
