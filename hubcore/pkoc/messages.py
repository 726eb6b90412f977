"""The messages of PKOC's flow under ECDHE, as a reader says and reads them.

    reader → phone   0C version, 02 reader's key of this turn, 0D location, [10 certificate], 0E
                     site
    phone → reader   07 phone's key of this visit, [0C version]
    reader → phone   03 signature of reader or site
    phone → reader   40 sealed: 01 public key, 03 signature, [09 last update], [0C version]
    reader → phone   04 response

Laws:
1. The certificate comes before the site's id: a phone goes on as soon as it has that one.
2. A phone's public key or signature outside a seal is refused: that is the flow in the clear.
3. A type that is not known is passed over, within the bounds of `tlv`.
4. A phone that says that it has no AES-CCM is refused.

Source: ELATEC's fork of PSIA's apps (messages), PKOC BLE Transport Profile 2.0.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from hubcore.errors import FrameError
from hubcore.pkoc import tlv
from hubcore.pkoc.tlv import Tag

READER_VERSION = bytes([1, 0, 0, 0, 1])
"""Specification 1, no vendor's version, AES-CCM alone: as the public reader says it."""
KEY_BYTES = 65
SIGNATURE_BYTES = 64
LAST_UPDATE_BYTES = 4
TAG_BYTES = 16
_CCM = 0x0001
_VERSION_SIZES = (2, 5)
"""The first form has no bits of features."""
_UNCOMPRESSED = 0x04


class Response(IntEnum):
    """What a reader answers at the end; of more values it knows no use."""

    DENIED = 2
    GRANTED = 3


@dataclass(frozen=True, slots=True)
class PhoneKey:
    """The phone's key of this visit: a point in 65 bytes, not yet known to be on the curve."""

    point: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the phone has sealed: ciphertext and tag."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Credential:
    """What was in the seal: the phone's own public key (65 bytes) and its signature (64)."""

    public_key: bytes = field(repr=False)
    signature: bytes = field(repr=False)


def hello(reader_key: bytes, location: bytes, site: bytes, certificate: bytes | None) -> bytes:
    """Return the reader's first message; `reader_key` is compressed (33 bytes)."""
    said = tlv.encode(Tag.VERSION, READER_VERSION)
    said += tlv.encode(Tag.READER_KEY, reader_key)
    said += tlv.encode(Tag.LOCATION, location)
    if certificate is not None:
        said += tlv.encode(Tag.CERTIFICATE, certificate)
    return said + tlv.encode(Tag.SITE, site)


def proof(signature: bytes) -> bytes:
    """Return the message in which a reader proves itself."""
    return tlv.encode(Tag.SIGNATURE, signature)


def response(value: Response) -> bytes:
    """Return the last message."""
    return tlv.encode(Tag.RESPONSE, bytes([value]))


def read(data: bytes) -> PhoneKey | Sealed:
    """Read what a phone wrote. Raise FrameError."""
    found = tlv.decode(data)
    if Tag.PUBLIC_KEY in found or Tag.SIGNATURE in found:
        raise FrameError("pkoc: the phone's key comes in the clear, which no hub takes")
    has_key = Tag.PHONE_KEY in found
    if has_key == (Tag.SEALED in found):
        raise FrameError("pkoc: expected either the phone's key or what it has sealed")
    if not has_key:
        return _sealed(found[Tag.SEALED])
    _check_version(found)
    return PhoneKey(_point(found, Tag.PHONE_KEY))


def read_credential(data: bytes) -> Credential:
    """Read what was in a seal. Raise FrameError."""
    found = tlv.decode(data)
    public_key = _point(found, Tag.PUBLIC_KEY)
    signature = _sized(found, Tag.SIGNATURE, SIGNATURE_BYTES)
    if Tag.LAST_UPDATE in found:
        _sized(found, Tag.LAST_UPDATE, LAST_UPDATE_BYTES)
    return Credential(public_key, signature)


def _sealed(data: bytes) -> Sealed:
    if len(data) <= TAG_BYTES:
        raise FrameError(f"pkoc: a seal of {len(data)} bytes holds nothing")
    return Sealed(data)


def _check_version(found: Mapping[int, bytes]) -> None:
    version = found.get(Tag.VERSION)
    if version is None:
        return
    if len(version) not in _VERSION_SIZES:
        raise FrameError(f"pkoc: a version of {len(version)} bytes, not 2 or 5")
    if len(version) > 2 and not int.from_bytes(version[3:], "big") & _CCM:
        raise FrameError("pkoc: the phone has no AES-CCM")


def _point(found: Mapping[int, bytes], tag: Tag) -> bytes:
    point = _sized(found, tag, KEY_BYTES)
    if point[0] != _UNCOMPRESSED:
        raise FrameError(f"pkoc: TLV {tag:#04x} holds no uncompressed point")
    return point


def _sized(found: Mapping[int, bytes], tag: Tag, size: int) -> bytes:
    value = found.get(tag)
    if value is None:
        raise FrameError(f"pkoc: TLV {tag:#04x} is not there")
    if len(value) != size:
        raise FrameError(f"pkoc: TLV {tag:#04x} has {len(value)} bytes, not {size}")
    return value
