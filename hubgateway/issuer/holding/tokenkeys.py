"""Brings keys into a PKCS#11 token: made there, or put there from a file.

Laws:
1. The private half cannot be read out again, and the token signs with it alone.
2. A token that has a key of this name already is left as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pkcs11
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from hubcore.codec.cose import COORDINATE_BYTES
from hubcore.errors import ConfigError, HardwareError
from hubgateway.issuer.holding.token import (
    POINT_HEAD,
    TURN,
    WRONG_PIN,
    TokenKey,
    open_token,
    session_of,
    token_of,
    wanted_of,
    why,
)
from hubgateway.issuer.holding.tokenuri import TokenUri

_P256 = encode_named_curve_parameters("secp256r1")
_NEVER_LEAVES = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
}


def make_key(uri: TokenUri, pin: str) -> TokenKey:
    """Make a P-256 key within a token. Raise ConfigError or HardwareError."""

    def make(session: Any) -> None:
        parameters = session.create_domain_parameters(
            KeyType.EC, {Attribute.EC_PARAMS: _P256}, local=True
        )
        parameters.generate_keypair(
            store=True, label=uri.label, id=uri.id, private_template=_NEVER_LEAVES
        )

    return _store(uri, pin, make)


def put_key(uri: TokenUri, pin: str, key: ec.EllipticCurvePrivateKey) -> TokenKey:
    """Put a key into a token for good. Raise ConfigError or HardwareError."""
    numbers = key.private_numbers()
    public = numbers.public_numbers
    x = public.x.to_bytes(COORDINATE_BYTES, "big")
    y = public.y.to_bytes(COORDINATE_BYTES, "big")
    point = POINT_HEAD + b"\x04" + x + y
    name = {
        attribute: value
        for attribute, value in ((Attribute.LABEL, uri.label), (Attribute.ID, uri.id))
        if value is not None
    }
    shared = {Attribute.KEY_TYPE: KeyType.EC, Attribute.EC_PARAMS: _P256, **name}

    def put(session: Any) -> None:
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.PUBLIC_KEY,
                Attribute.TOKEN: True,
                Attribute.EC_POINT: point,
                **shared,
            }
        )
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.PRIVATE_KEY,
                Attribute.VALUE: numbers.private_value.to_bytes(COORDINATE_BYTES, "big"),
                **_NEVER_LEAVES,
                **shared,
            }
        )

    return _store(uri, pin, put)


def _store(uri: TokenUri, pin: str, work: Callable[[Any], None]) -> TokenKey:
    """Do something in a token that has no key of this name yet; open the key."""
    with TURN:
        try:
            with session_of(token_of(uri, again=False), pin, writes=True) as session:
                if any(session.get_objects(wanted_of(uri, ObjectClass.PRIVATE_KEY))):
                    raise ConfigError(f"{uri.text}: the token has such a key already")
                work(session)
        except WRONG_PIN as error:
            raise ConfigError(f"{uri.text}: the token refuses the PIN: {why(error)}") from error
        except (pkcs11.NoSuchToken, pkcs11.MultipleTokensReturned) as error:
            raise ConfigError(f"{uri.text}: there is no such token, or several") from error
        except pkcs11.PKCS11Error as error:
            raise HardwareError(f"{uri.text}: the token refuses: {why(error)}") from error
    return open_token(uri, pin)
