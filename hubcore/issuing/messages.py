"""The messages between a site's server and what signs for it: CBOR arrays, one in a frame.

The server says Hello, is answered by Ready, and then asks: each Ask has one answer, Made or No, in
the order of asking. It may also ask about a hub, by Decide, which is answered by Done or No; and
for the digest of a card or a key, by Digest, which is answered by Made or No.

Laws:
1. A message that exists is checked, whoever made it.
2. What is no message gives FrameError, which says what was expected. Nothing of it has an effect.
3. Bytes and items have ceilings before they are read. The claims of an Ask stay bytes here.

Shapes: Hello [0, protocol]; Ready [1, site, issuer's COSE_Key, version of the last policy];
Ask [2, number, kind, claims, what comes along]; Made [3, number, document];
No [4, number, refusal, sentence]; Decide [5, number, ask (`hubcore.issuing.hubasks`)];
Done [6, number, text]; Digest [7, number, ask (`hubcore.issuing.cardasks`)].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hubcore.codec import cbor, cose
from hubcore.codec.cose import VerifyKey
from hubcore.codec.cwt import NAME_BYTES, is_uint
from hubcore.errors import FrameError, ProofError
from hubcore.issuing.cardasks import CardAsk, read_card_ask, write_card_ask
from hubcore.issuing.hubasks import HubAsk, read_ask, write_ask
from hubcore.issuing.words import (
    ANSWER_BYTES,
    ASK_BYTES,
    PAYLOAD_BYTES,
    PROTOCOL,
    SENTENCE_BYTES,
    DocumentKind,
    Refusal,
)

NUMBER_MAX = 0xFFFFFFFF
KEY_BYTES = 512
_ITEMS = 16
_HELLO = 0
_READY = 1
_ASK = 2
_MADE = 3
_NO = 4
_DECIDE = 5
_DONE = 6
_DIGEST = 7
TEXT_BYTES = 256


@dataclass(frozen=True, slots=True)
class Hello:
    """Who comes speaks this protocol."""

    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class Ready:
    """Whom it signs for, with which key, and the version of the last policy, 0 for none."""

    site: str
    issuer: VerifyKey
    policy_version: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """Sign these claims. `along`: pieces of a policy, or a hub's certificate in force."""

    number: int
    kind: DocumentKind
    claims: bytes = field(repr=False)
    along: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        """Raise FrameError for what is too long."""
        _check_number(self.number)
        if not self.claims or len(self.claims) + len(self.along) > PAYLOAD_BYTES:
            raise FrameError(f"signing: claims and what comes along have 1..{PAYLOAD_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class Made:
    """The signed document. Of a policy it is the root alone. Or the digest that was asked for."""

    number: int
    document: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Raise FrameError for what is too long."""
        _check_number(self.number)
        if not 1 <= len(self.document) <= ANSWER_BYTES:
            raise FrameError(f"signing: a document has 1..{ANSWER_BYTES} bytes")


@dataclass(frozen=True, slots=True)
class No:
    """Nothing was signed, and why."""

    number: int
    refusal: Refusal
    sentence: str

    def __post_init__(self) -> None:
        """Raise FrameError for a sentence that no terminal shows."""
        _check_number(self.number)
        if len(self.sentence.encode("utf-8", "replace")) > SENTENCE_BYTES:
            raise FrameError(f"signing: a sentence has at most {SENTENCE_BYTES} bytes")
        if not self.sentence.isprintable():
            raise FrameError("signing: a sentence has only what a terminal prints")


@dataclass(frozen=True, slots=True)
class Decide:
    """Do this about a hub."""

    number: int
    ask: HubAsk

    def __post_init__(self) -> None:
        """Raise FrameError for a number that is none."""
        _check_number(self.number)


@dataclass(frozen=True, slots=True)
class Done:
    """It was done. `text` is the token that was made, or ""."""

    number: int
    text: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        """Raise FrameError for what no terminal shows."""
        _check_number(self.number)
        if len(self.text.encode("utf-8", "replace")) > TEXT_BYTES or not self.text.isprintable():
            raise FrameError(f"signing: a text has at most {TEXT_BYTES} bytes, all printable")


@dataclass(frozen=True, slots=True)
class Digest:
    """Make the digest of this card or key."""

    number: int
    ask: CardAsk

    def __post_init__(self) -> None:
        """Raise FrameError for a number that is none."""
        _check_number(self.number)


FromServer = Hello | Ask | Decide | Digest
FromSigner = Ready | Made | No | Done


def sentence(text: str) -> str:
    """Cut a sentence to what a No holds: printable, at most SENTENCE_BYTES."""
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain.encode("utf-8", "replace")[:SENTENCE_BYTES].decode("utf-8", "ignore")


def encode_from_server(message: FromServer) -> bytes:
    """Return the bytes of a message."""
    match message:
        case Hello():
            return cbor.encode([_HELLO, message.protocol])
        case Ask():
            kind = int(message.kind)
            return cbor.encode([_ASK, message.number, kind, message.claims, message.along])
        case Decide():
            return cbor.encode([_DECIDE, message.number, write_ask(message.ask)])
        case Digest():
            return cbor.encode([_DIGEST, message.number, write_card_ask(message.ask)])


def encode_from_signer(message: FromSigner) -> bytes:
    """Return the bytes of a message."""
    match message:
        case Ready():
            key = cbor.encode(cose.write_key(message.issuer.public))
            return cbor.encode([_READY, message.site, key, message.policy_version])
        case Made():
            return cbor.encode([_MADE, message.number, message.document])
        case No():
            return cbor.encode([_NO, message.number, int(message.refusal), message.sentence])
        case Done():
            return cbor.encode([_DONE, message.number, message.text])


def decode_from_server(data: bytes) -> FromServer:
    """Read a message. Raise FrameError."""
    match _array(data, ASK_BYTES):
        case [0, int() as protocol] if type(protocol) is int and protocol > 0:
            return Hello(protocol)
        case [2, number, int() as kind, bytes() as claims, bytes() as along]:
            if kind not in set(DocumentKind):
                raise FrameError(f"signing: documents of kind {kind} are not signed here")
            return Ask(number, DocumentKind(kind), claims, along)
        case [5, number, bytes() as asked]:
            return Decide(number, read_ask(asked))
        case [7, number, bytes() as asked]:
            return Digest(number, read_card_ask(asked))
    raise FrameError(
        "signing: expected Hello [0, protocol], Ask [2, number, kind, claims, along], "
        "Decide [5, number, ask] or Digest [7, number, ask]"
    )


def decode_from_signer(data: bytes) -> FromSigner:
    """Read a message. Raise FrameError."""
    match _array(data, ANSWER_BYTES):
        case [1, str() as site, bytes() as key, version] if is_uint(version):
            if 1 <= len(site.encode()) <= NAME_BYTES:
                return Ready(site, _read_key(key), version)
        case [3, number, bytes() as document]:
            return Made(number, document)
        case [4, number, int() as refusal, str() as text] if refusal in set(Refusal):
            return No(number, Refusal(refusal), text)
        case [6, number, str() as text]:
            return Done(number, text)
    raise FrameError("signing: expected Ready, Made, Done or No")


def _array(data: bytes, most: int) -> Any:
    if len(data) > most:
        raise FrameError(f"signing: a message has at most {most} bytes")
    return cbor.decode(data, max_depth=1, max_items=_ITEMS)


def _read_key(data: bytes) -> VerifyKey:
    if len(data) > KEY_BYTES:
        raise FrameError("signing: the issuer's key is too long")
    try:
        return cose.read_key(cbor.decode(data))
    except ProofError as error:
        raise FrameError(f"signing: the issuer's key cannot be read: {error}") from error


def _check_number(number: object) -> None:
    if type(number) is not int or not 0 <= number <= NUMBER_MAX:
        raise FrameError(f"signing: a number of an Ask is within 0..{NUMBER_MAX}")
