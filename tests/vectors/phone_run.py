"""Runs one vector file against the phone's reader: the reference phone's Attempt.

Law: what the phone does is observed from outside only: what it sends, shows, reads again, and what its wallet holds
afterwards. An open is made of chance that no file can fix (RSA-OAEP, signature), so it is opened with the epoch's
private key and everything below that is compared.
"""

from __future__ import annotations

import hashlib
from typing import Any

from hubd.core import cbor, cose, tokens
from hubd.core.cose import Aead, PrivateKey, SigningKey
from hubd.core.messages import (
    Action,
    NewTicket,
    Open,
    Reason,
    Verdict,
    decode_request,
    decode_to_hub,
    encode_verdict,
)
from hubd.core.messages import DoorState as Door
from hubd.core.sealing import binding, session_keys
from hubsim.phone.machine import Attempt, Decided, GaveUp, Moved, PhoneEffect, ReadInfo, SendMessage
from hubsim.phone.wallet import KeptTicket, KnownEpoch, Wallet
from tests.vectors.form import WALL, Chance, Json, private_key, rsa_key, verify_key


class PhoneRun:
    """A phone in the state that a file gives, to be led through its steps."""

    def __init__(self, given: Json, chance: Chance) -> None:
        self.given, self.chance = given, chance
        self.wallet = _wallet(given)
        chance.purpose = "secret"
        action = Action(given["action"])
        self.attempt = Attempt(self.wallet, given["access_point"], action, self._draw, given["transport"])
        self._challenge = b""
        self._sent, self._secret, self._aead = b"", b"", Aead.A256GCM

    def _draw(self, size: int) -> bytes:
        """The phone draws for an open: secret, content key, IV."""
        value = self.chance(size)
        if size not in (1, 8, 12):
            self.chance.purpose = "content key" if self.chance.purpose == "secret" else "secret"
        return value

    def step(self, step: Json) -> list[Json]:
        """Do what a step's `do` says; return what the phone did."""
        wall = WALL + step["at"]
        match step["do"]:
            case "info":
                self._challenge = bytes.fromhex(step["bytes"])
                effects = self.attempt.challenge(self._challenge, wall)
            case "message":
                effects = self.attempt.receive(bytes.fromhex(step["bytes"]), wall)
            case "seal verdict":
                effects = self.attempt.receive(self._seal(step), wall)
            case "silence":
                effects = self.attempt.silence()
            case other:
                raise AssertionError(f"no step {other}")
        return [self._describe(effect) for effect in effects] or [{"verdict": "DROP"}]

    def _seal(self, step: Json) -> bytes:
        """Answer the open just sent, whose bytes no file can know, as the hub would."""
        keys = session_keys(self._secret, self.given["transport"], self._challenge, self._sent, self._aead, step["hub"])
        iv, plaintext = bytes.fromhex(step["iv"]), bytes.fromhex(step["plaintext"])
        content = [self._aead.protected, {5: iv}, cose.seal(self._aead, keys.to_phone, iv, plaintext)]
        return cbor.encode([2, [*content, [[cose.DIRECT, {}, b""]]]])

    def _describe(self, effect: PhoneEffect) -> Json:
        match effect:
            case SendMessage(message):
                return self._sends(message)
            case ReadInfo(after):
                return {"reads INFO after": round(after, 3)}
            case GaveUp(why):
                return {"verdict": "ABORT" if not self._sent else "UNKNOWN", "inside": why}
            case Decided(verdict):
                return {"verdict": "ACCEPT" if verdict.allowed else f"SEALED {int(verdict.reason)}"}
            case Moved(state):
                return {"verdict": "STATE", "seq": state.seq, "door": int(state.door)}

    def _sends(self, message: bytes) -> Json:
        decoded = decode_to_hub(message)
        if decoded.__class__.__name__ == "Resume":
            self._sent = message
        if not isinstance(decoded, Open):
            return {"sends": message.hex()}
        self._sent, self._aead = message, decoded.aead
        epoch_bytes = self.wallet.epochs[decoded.epoch].epoch_bytes
        bound = binding(self.given["transport"], self._challenge, hashlib.sha256(epoch_bytes).digest(), decoded.aead)
        key = cose.unwrap_key(
            rsa_key(self.given["epoch_private_key"]), decoded.encrypted_key, bytes(decoded.aead.key_bytes)
        )
        plaintext = cose.unseal(decoded.aead, key, decoded.iv, decoded.ciphertext, bound)
        protected, unprotected, payload, signature = cbor.decode(plaintext)
        assert unprotected == {}
        cose.verify1(protected, payload, signature, self.wallet.key.verify_key, bound)
        request = decode_request(payload)
        self._secret = request.secret
        return {
            "sends": "open",
            "bytes_long": len(message),
            "aead": int(decoded.aead),
            "epoch": decoded.epoch.hex(),
            "content_key": key.hex(),
            "iv": decoded.iv.hex(),
            "protected": protected.hex(),
            "payload": payload.hex(),
        }

    def after(self) -> Json:
        """Say what the wallet holds; a ticket's secret only where a file can know it."""
        tickets = [
            {"hub_kid": kid.hex(), "id": t.id.hex(), "expires": t.expires}
            | ({"secret": t.secret.hex()} if self.attempt.short else {})
            for kid, t in self.wallet.tickets.items()
        ]
        return {"tickets": tickets, "epochs": [kid.hex() for kid in self.wallet.epochs]}


def sealed_verdict_plaintext(op: bytes, allowed: bool, ticket: NewTicket | None, reason: Reason = Reason.OK) -> bytes:
    """Return a verdict's plaintext at the files' time."""
    return encode_verdict(Verdict(op, allowed, reason, Door.RELEASED if allowed else Door.SECURED, WALL + 1, ticket))


def _wallet(given: Json) -> Wallet:
    key: Any = private_key(given["key"])
    assert isinstance(key, PrivateKey)
    issuer = verify_key(given["issuer"])
    wallet = Wallet(
        given["site"],
        issuer,
        SigningKey(key),
        bytes.fromhex(given["grant"]),
        tuple(Aead(a) for a in given["aeads"]),
        tuple(given["rsa_bytes"]),
        frozenset(bytes.fromhex(kid) for kid in given["revoked_hubs"]),
    )
    for known in given["epochs"]:
        hub_bytes, epoch_bytes = bytes.fromhex(known["hub_certificate"]), bytes.fromhex(known["epoch_certificate"])
        hub = tokens.read_hub_certificate(hub_bytes, issuer)
        epoch = tokens.read_epoch_certificate(epoch_bytes, hub, wallet.rsa_sizes)
        wallet.keep_epoch(KnownEpoch(hub, epoch, hub_bytes, epoch_bytes))
    for t in given["tickets"]:
        id_, secret = bytes.fromhex(t["id"]), bytes.fromhex(t["secret"])
        wallet.tickets[bytes.fromhex(t["hub_kid"])] = KeptTicket(t["hub"], id_, secret, Aead(t["aead"]), t["expires"])
    return wallet
