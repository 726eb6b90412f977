"""Runs one vector file against the reference phone: its Attempt, or OnLink for a file with `link`.

Laws:
1. The phone is observed from outside only: what it sends, shows, reads again, and what its wallet
   holds afterwards.
2. An open is made of chance that no file can fix (RSA-OAEP, signature), so it is opened with the
   epoch's private key and everything below that is compared.
3. A file with `link` is a playbook of one link: what comes and when, and what the phone does about
   it. A frame that is taken and one that is ignored look alike: both give nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from hubcore.access.words import Action
from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead, PrivateKey, SigningKey
from hubcore.door.state import DoorState as Door
from hubcore.phone.certificates import read_epoch_certificate, read_hub_certificate
from hubcore.phone.messages import (
    NewTicket,
    Open,
    Reason,
    Verdict,
    decode_request,
    decode_to_hub,
    encode_verdict,
)
from hubcore.phone.sealing import binding, session_keys
from hubsim.phone.effects import (
    Decided,
    GaveUp,
    Leave,
    LinkPhoneEffect,
    Moved,
    PhoneEffect,
    ReadInfo,
    ReadTxr,
    SendMessage,
    WriteFrame,
)
from hubsim.phone.machine import Attempt
from hubsim.phone.onlink import OnLink
from hubsim.phone.wallet import KeptTicket, KnownEpoch, Wallet
from tests.vectors.form import WALL, Chance, Json, private_key, rsa_key, verify_key

_INSTANT = 1e-6
"""Seconds that count as none: what sums of floats differ by."""


class PhoneRun:
    """A phone in the state that a file gives, to be led through its steps."""

    def __init__(self, given: Json, chance: Chance) -> None:
        self.given = given
        self.chance = chance
        self.wallet = _wallet(given)
        self._challenge = b""
        self._sent = b""
        self._secret = b""
        self._aead = Aead.A256GCM
        chance.purpose = "secret"
        self.attempt = self._new_attempt(WALL)
        self._link = self._new_link()

    def _new_attempt(self, wall: float) -> Attempt:
        """The user asks: under a new op, or that of the same wish while it has no answer."""
        action = Action(self.given["action"])
        point = self.given["access_point"]
        op = self.wallet.op_for(point, action, wall, self._draw)
        return Attempt(self.wallet, point, action, self._draw, self.given["transport"], op)

    def _new_link(self) -> OnLink | None:
        link = self.given.get("link")
        return OnLink(self.attempt, link["subscribed"]) if link else None

    def _draw(self, size: int) -> bytes:
        """The phone draws for an open: secret, content key, IV."""
        value = self.chance(size)
        if size not in (1, 8, 12):
            self.chance.purpose = "content key" if self.chance.purpose == "secret" else "secret"
        return value

    def step(self, step: Json) -> list[Json]:
        """Do what a step's `do` says; return what the phone did."""
        if step["do"] == "again":
            self.attempt = self._new_attempt(WALL + step["at"])
            self._link = self._new_link()
            self._sent = b""
            return []
        effects = (
            self._message_step(step) if self._link is None else self._link_step(self._link, step)
        )
        said = [self._describe(effect) for effect in effects]
        return said or ([{"verdict": "DROP"}] if self._link is None else [])

    def _message_step(self, step: Json) -> Sequence[PhoneEffect]:
        wall = WALL + step["at"]
        match step["do"]:
            case "info":
                self._challenge = bytes.fromhex(step["bytes"])
                return self.attempt.challenge(self._challenge, wall)
            case "message":
                return self.attempt.receive(bytes.fromhex(step["bytes"]), wall)
            case "seal verdict":
                return self.attempt.receive(self._seal(step), wall)
            case "silence":
                return self.attempt.silence()
            case "lost":
                return self.attempt.lost("the link is lost")
        raise AssertionError(f"no step {step['do']}")

    def _link_step(self, link: OnLink, step: Json) -> Sequence[LinkPhoneEffect]:
        now = step["at"]
        wall = WALL + step["at"]
        data = bytes.fromhex(step.get("bytes", ""))
        match step["do"]:
            case "info":
                self._challenge = data
                return link.info(data, now, wall)
            case "written":
                return link.written(now)
            case "notified":
                return link.notified(data, now, wall)
            case "TXR":
                return link.pulled(data, now, wall)
            case "time":
                assert link.due is not None
                assert link.due < now + _INSTANT, f"nothing is due before {link.due}"
                return link.passed(max(now, link.due))
            case "quiet":
                assert link.due is None or link.due > now + _INSTANT, (
                    f"something is due at {link.due}"
                )
                return []
            case "lost":
                return link.lost("the link is lost")
        raise AssertionError(f"no step {step['do']}")

    def _seal(self, step: Json) -> bytes:
        """Answer the open just sent, whose bytes no file can know, as the hub would."""
        keys = session_keys(
            self._secret,
            self.given["transport"],
            self._challenge,
            self._sent,
            self._aead,
            step["hub"],
        )
        iv = bytes.fromhex(step["iv"])
        plaintext = bytes.fromhex(step["plaintext"])
        content = [
            self._aead.protected,
            {5: iv},
            cose.seal(self._aead, keys.to_phone, iv, plaintext),
        ]
        return cbor.encode([2, [*content, [[cose.DIRECT, {}, b""]]]])

    def _describe(self, effect: LinkPhoneEffect) -> Json:
        match effect:
            case WriteFrame(frame):
                return {"writes": frame.hex()}
            case ReadTxr():
                return {"reads TXR": True}
            case Leave():
                return {"leaves": True}
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
        self._sent = message
        self._aead = decoded.aead
        epoch_bytes = self.wallet.epochs[decoded.epoch].epoch_bytes
        bound = binding(
            self.given["transport"],
            self._challenge,
            hashlib.sha256(epoch_bytes).digest(),
            decoded.aead,
        )
        key = cose.unwrap_key(
            rsa_key(self.given["epoch_private_key"]),
            decoded.encrypted_key,
            bytes(decoded.aead.key_bytes),
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
            {"hub_kid": kid.hex(), "hub": t.hub, "id": t.id.hex(), "expires": t.expires}
            | {"access_points": sorted(t.access_points), "hub_expires": t.hub_expires}
            | ({"secret": t.secret.hex()} if self.attempt.short else {})
            for kid, t in self.wallet.tickets.items()
        ]
        epochs = [kid.hex() for kid in self.wallet.epochs]
        return {
            "tickets": tickets,
            "epochs": epochs,
            "full_path_at": sorted(self.wallet.full_path_at),
        }


def sealed_verdict_plaintext(
    op: bytes, allowed: bool, ticket: NewTicket | None, reason: Reason = Reason.OK
) -> bytes:
    """Return a verdict's plaintext at the files' time."""
    return encode_verdict(
        Verdict(op, allowed, reason, Door.RELEASED if allowed else Door.SECURED, WALL + 1, ticket)
    )


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
        hub_bytes = bytes.fromhex(known["hub_certificate"])
        epoch_bytes = bytes.fromhex(known["epoch_certificate"])
        hub = read_hub_certificate(hub_bytes, issuer)
        epoch = read_epoch_certificate(epoch_bytes, hub, wallet.rsa_sizes)
        wallet.keep_epoch(KnownEpoch(hub, epoch, hub_bytes, epoch_bytes))
    for t in given["tickets"]:
        id_ = bytes.fromhex(t["id"])
        secret = bytes.fromhex(t["secret"])
        scope = frozenset(t["access_points"])
        kept = KeptTicket(
            t["hub"], id_, secret, Aead(t["aead"]), t["expires"], scope, t["hub_expires"]
        )
        wallet.tickets[bytes.fromhex(t["hub_kid"])] = kept
    wallet.full_path_at = set(given.get("full_path_at", []))
    return wallet
