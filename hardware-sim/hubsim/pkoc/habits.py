"""How three public apps differ on the wire.

Sources: PKOC_BluetoothCallbackGatt, BleEcdheFlowTransaction and the messages of
jaouellette/com-elatec-pkoc-aliro at b4568a7 (2.0.1) and of psialliance-org/com-psia-pkoc at 5fe5b27
(Android, 1.x); ios/Sources/BluetoothProvider.swift of the latter (iPhone, 1.x). The last's README
promises 2.0.1; its stored code is 1.x.

| | 2.0.1 | Android, 1.x | iPhone, 1.x |
|---|---|---|---|
| asks for an MTU of | 512 | 512 | the system's |
| knows the certificate, long lengths | yes | no | no |
| goes on | after the notification | after the fourth field | after the notification |
| says its version | beside its point and in the sealed part | as 2.0.1 | never |
| a wrong signature, or an answer too early | is passed over | is passed over | ends the visit |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hubsim.pkoc.elements import (
    Element,
    Kind,
    read_byte,
    read_long,
    read_walk,
    write_byte,
    write_long,
)

ANDROID_MTU = 512
IPHONE_MTU = 185


@dataclass(frozen=True, slots=True)
class Habits:
    """One app's."""

    mtu: int
    read: Callable[[bytes], list[Element]]
    write: Callable[[Kind, bytes], bytes]
    certificates: bool
    hasty: bool
    says_version: bool
    patient: bool


VALIDATED = Habits(
    mtu=ANDROID_MTU,
    read=read_long,
    write=write_long,
    certificates=True,
    hasty=False,
    says_version=True,
    patient=True,
)
ANDROID = Habits(
    mtu=ANDROID_MTU,
    read=read_byte,
    write=write_byte,
    certificates=False,
    hasty=True,
    says_version=True,
    patient=True,
)
IPHONE = Habits(
    mtu=IPHONE_MTU,
    read=read_walk,
    write=write_byte,
    certificates=False,
    hasty=False,
    says_version=False,
    patient=False,
)
APPS = {"2.0.1": VALIDATED, "android": ANDROID, "iphone": IPHONE}
