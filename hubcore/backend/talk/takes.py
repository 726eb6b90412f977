"""What each message of the backend asks the shell to take, once its turn is right."""

from __future__ import annotations

from typing import assert_never

from hubcore.backend.talk.effects import (
    TakeAboutKeys,
    TakeAct,
    TakeCertificate,
    TakeHeld,
    TakeOrder,
    TakePieces,
    TakePolicy,
    TakeReceipts,
    TakeRelease,
    TakeSiteDocument,
    TakeTlsCertificate,
    TalkEffect,
)
from hubcore.backend.uplink.documents import CarriedEnds, CarriedMandate
from hubcore.backend.uplink.from_backend import (
    Acknowledge,
    Act,
    Certificate,
    Held,
    KeyTaken,
    NewPolicy,
    Order,
    Pieces,
    Release,
    RotateKey,
    TlsCertificate,
)

Takeable = (
    Acknowledge
    | Held
    | Release
    | Order
    | Act
    | NewPolicy
    | Certificate
    | TlsCertificate
    | Pieces
    | KeyTaken
    | RotateKey
    | CarriedMandate
    | CarriedEnds
)


def take(message: Takeable) -> TalkEffect:
    """Return the effect that takes this message."""
    match message:
        case Acknowledge(numbers):
            return TakeReceipts(numbers)
        case Held(numbers):
            return TakeHeld(numbers)
        case Release():
            return TakeRelease(message)
        case Order():
            return TakeOrder(message)
        case Act():
            return TakeAct(message)
        case NewPolicy(document):
            return TakePolicy(document)
        case Certificate(document):
            return TakeCertificate(document)
        case TlsCertificate(document):
            return TakeTlsCertificate(document)
        case Pieces(pieces):
            return TakePieces(pieces)
        case CarriedMandate() | CarriedEnds():
            return TakeSiteDocument(message)
        case KeyTaken() | RotateKey():
            return TakeAboutKeys(message)
        case _:
            assert_never(message)
