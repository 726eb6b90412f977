"""What a phone trusts, sends and ignores.

Rows 7, 21, 68-80, 101-104 and the phone's side of rows 1-4, 8, 56, 65.
"""

from __future__ import annotations

from typing import Any

from hubcore.codec import cbor, cose
from hubcore.codec.cose import Aead
from hubcore.door.state import DoorState
from hubcore.phone import sealing
from hubcore.phone.messages import (
    EpochAnswer,
    Error,
    ErrorCode,
    NewTicket,
    Reason,
    State,
    Verdict,
    encode_to_phone,
    encode_verdict,
)
from tests.vectors import world
from tests.vectors.bench import PhoneFile
from tests.vectors.form import WALL, Json
from tests.vectors.phone_run import sealed_verdict_plaintext
from tests.vectors.world import TicketPlan, document

NEW = NewTicket(world.fixed("new ticket", 16), WALL + 72 * 3600)


def _certificates(hub: bytes = b"", epoch: bytes = b"") -> bytes:
    return encode_to_phone(
        EpochAnswer(hub or world.hub_certificate(), epoch or world.epoch_certificate())
    )


def _error(code: ErrorCode) -> bytes:
    return encode_to_phone(Error(code))


def _op(file: PhoneFile) -> bytes:
    return file.run.attempt.op


def _seal(file: PhoneFile, allowed: bool = True, **more: Any) -> None:
    """Answer the open just sent."""
    plaintext = sealed_verdict_plaintext(_op(file), allowed, NEW if allowed else None, **more)
    iv = world.fixed(f"{file.label}/{len(file.steps)}/iv", 12)
    file.do("seal verdict", hub=world.HUB, iv=iv.hex(), plaintext=plaintext.hex())


async def write() -> None:
    """Write all files of these rows."""
    _accepted()
    _short()
    _untrusted()
    _hints()
    _tickets()
    _info()
    _asking_again()


def _accepted() -> None:
    for row, aead in (("001", Aead.A128GCM), ("002", Aead.A192GCM), ("003", Aead.A256GCM)):
        file = PhoneFile(row, f"phone-full-path-{aead.name.lower()}", aeads=[int(aead)])
        file.info()
        file.message(_certificates())
        _seal(file)
        file.save(f"A cold phone: certificates, an open with {aead.name}, the verdict", "ACCEPT")
    key = world.key_text("phone_rsa")
    grant = world.grant("phone_rsa").hex()
    known = [
        {
            "hub_certificate": world.hub_certificate().hex(),
            "epoch_certificate": world.epoch_certificate().hex(),
        }
    ]
    file = PhoneFile("004", "phone-full-path-ps256", key=key, grant=grant, epochs=known)
    file.info()
    _seal(file)
    file.save("A warm phone that signs PS256: one message", "ACCEPT")
    a128 = world.epoch_certificate(aeads=(Aead.A128GCM,))
    file = PhoneFile("018", "phone-takes-what-is-offered")
    file.info()
    file.message(_certificates(epoch=a128))
    _seal(file, allowed=False, reason=Reason.SCHEDULE)
    file.save("A hub that offers A128GCM only, and denies", "SEALED 2")


def _short() -> None:
    ticket = TicketPlan()
    for aead in Aead:
        ticket = TicketPlan(aead=aead)
        file = PhoneFile("008", f"phone-resume-{aead.name.lower()}", tickets=[ticket.at_phone()])
        _answer(file, ticket, file.info())
        file.save(f"The short path with {aead.name}: every byte is known", "ACCEPT")

    ticket = TicketPlan()
    file = PhoneFile("068", "verdict-of-another-link", tickets=[ticket.at_phone()])
    challenge = file.info()
    keys = _keys(ticket, bytes(42), b"")
    file.message(_verdict(file, keys, "other"))
    file.message(_verdict(file, _keys(ticket, challenge, b"another message"), "other message"))
    sent = bytes.fromhex(file.steps[-3]["gives"][0]["sends"])
    right = cbor.decode(_verdict(file, _keys(ticket, challenge, sent), "broken"))
    right[1][2] = world.with_last_bit_flipped(right[1][2])
    file.message(cbor.encode(right))
    _answer(file, ticket, challenge)
    file.save(
        "Verdicts of another link, of another message, and broken ones are ignored",
        "DROP, DROP, DROP, ACCEPT",
    )

    file = PhoneFile("068", "verdict-of-another-op", tickets=[ticket.at_phone()])
    challenge = file.info()
    sent = bytes.fromhex(file.steps[-1]["gives"][0]["sends"])
    file.message(_verdict(file, _keys(ticket, challenge, sent), "other op", op=bytes(8)))
    file.save("A verdict about another operation is ignored", "DROP")

    _nearly_verdicts(ticket)

    file = PhoneFile("069", "states-out-of-order", tickets=[ticket.at_phone()])
    challenge = file.info()
    sent = bytes.fromhex(file.steps[-1]["gives"][0]["sends"])
    keys = _keys(ticket, challenge, sent)
    file.message(_state(file, keys, 1, DoorState.RELEASED))
    _answer(file, ticket, challenge, sent)
    file.message(_state(file, keys, 1, DoorState.SECURED, op=bytes(8)))
    broken = cbor.decode(_state(file, keys, 1, DoorState.SECURED))
    broken[1][2] = world.with_last_bit_flipped(broken[1][2])
    file.message(cbor.encode(broken))
    for seq, door in (
        (2, DoorState.RELEASED),
        (2, DoorState.RELEASED),
        (1, DoorState.SECURED),
        (3, DoorState.OPEN),
    ):
        file.message(_state(file, keys, seq, door))
    said = "DROP, ACCEPT, DROP, DROP, STATE, DROP, DROP, DROP"
    file.save(
        "The first state counts; one before the verdict, of another operation, broken or "
        "later is ignored",
        said,
    )

    expired = [ticket.at_phone(expires=WALL)]
    file = PhoneFile("065", "phone-ticket-expired", tickets=expired)
    file.info()
    file.save("An expired ticket is not used: the phone asks for certificates", "")

    ticket = TicketPlan()
    file = PhoneFile("056", "phone-told-to-prove-fully", tickets=[ticket.at_phone()])
    challenge = file.info()
    _answer(file, ticket, challenge, reason=Reason.NEED_FULL)
    file.info("/2")
    file.message(_certificates())
    _seal(file)
    file.save(
        "A door that demands the full path: a new operation by the full path, and so from now on",
        "ACCEPT",
    )

    file = PhoneFile(
        "056", "phone-remembers-the-full-path", tickets=[ticket.at_phone()], full_path_at=[1]
    )
    file.info()
    file.save(
        "A door that has demanded the full path before: the ticket is not tried, and stays", ""
    )


def _nearly_verdicts(ticket: TicketPlan) -> None:
    """What the right key seals and is still no verdict.

    There are codes that are none, zeros of another size, another AEAD.
    """
    file = PhoneFile("068", "verdicts-of-another-shape", tickets=[ticket.at_phone()])
    challenge = file.info()
    keys = _keys(ticket, challenge, file.sent())
    right = Verdict(_op(file), True, Reason.OK, DoorState.RELEASED, WALL + 1, None)
    changes: list[dict[int, Any]] = [
        {1: 1},
        {3: 2},
        {4: 11},
        {5: 7},
        {6: 2**32},
        {7: [bytes(15), 1]},
        {8: bytes(27)},
    ]
    for number, change in enumerate([*changes, {9: 0}]):
        plaintext = cbor.encode(cbor.decode(encode_verdict(right)) | change)
        file.message(
            _sealed(
                plaintext, keys.to_phone, ticket.aead, world.fixed(f"{file.label}/{number}", 12)
            )
        )
    short_key = _keys(TicketPlan(aead=Aead.A128GCM), challenge, file.sent()).to_phone
    iv = world.fixed(f"{file.label}/aead", 12)
    file.message(_sealed(encode_verdict(right), short_key, Aead.A128GCM, iv))
    _answer(file, ticket, challenge)
    file.save(
        "What opens and is not exactly a verdict, or has another AEAD, is ignored",
        "DROP, " * 9 + "ACCEPT",
    )


def _sealed(plaintext: bytes, key: bytes, aead: Aead, iv: bytes) -> bytes:
    return cbor.encode(
        [
            2,
            [
                aead.protected,
                {5: iv},
                cose.seal(aead, key, iv, plaintext),
                [[cose.DIRECT, {}, b""]],
            ],
        ]
    )


def _keys(ticket: TicketPlan, challenge: bytes, message: bytes) -> sealing.SessionKeys:
    return sealing.session_keys(
        ticket.secret, sealing.BLE_GATT, challenge, message, ticket.aead, world.HUB
    )


def _verdict(
    file: PhoneFile,
    keys: sealing.SessionKeys,
    tag: str,
    op: bytes = b"",
    reason: Reason = Reason.OK,
) -> bytes:
    allowed = reason is Reason.OK
    door = DoorState.RELEASED if allowed else DoorState.SECURED
    verdict = Verdict(op or _op(file), allowed, reason, door, WALL + 1, NEW if allowed else None)
    return encode_to_phone(
        sealing.seal_verdict(verdict, keys, world.fixed(f"{file.label}/{tag}/iv", 12))
    )


def _state(
    file: PhoneFile, keys: sealing.SessionKeys, seq: int, door: DoorState, op: bytes = b""
) -> bytes:
    state = State(seq, op or _op(file), 1, door, WALL + seq)
    iv = world.fixed(f"{file.label}/{len(file.steps)}/iv", 12)
    return encode_to_phone(sealing.seal_state(state, keys, iv))


def _answer(
    file: PhoneFile,
    ticket: TicketPlan,
    challenge: bytes,
    sent: bytes = b"",
    reason: Reason = Reason.OK,
) -> None:
    """Answer the resume that the phone sent."""
    sent = sent or next(
        bytes.fromhex(out["sends"])
        for step in file.steps
        for out in step["gives"]
        if "sends" in out
    )
    file.message(_verdict(file, _keys(ticket, challenge, sent), "verdict", reason=reason))


def _untrusted() -> None:
    def abort(
        row: str, name: str, shows: str, message: bytes, epoch: str = "epoch", **given: Any
    ) -> None:
        file = PhoneFile(row, name, **{"epoch_private_key": None, **given})
        file.info(epoch=epoch)
        file.message(message)
        file.save(shows, "ABORT")

    certificates = _certificates
    hub = world.hub_certificate
    small = certificates(epoch=world.epoch_certificate("epoch_2048"))
    abort(
        "007",
        "phone-rsa-2048",
        "An epoch key of RSA-2048 at a site that demands 3072",
        small,
        "epoch_2048",
    )
    abort(
        "021",
        "grant-as-hub-certificate",
        "A grant where the hub's certificate belongs",
        certificates(world.grant()),
    )
    hub_claims = cbor.decode(cbor.decode(hub(), frozenset({18})).value[2])
    as_grant = document("grant", hub_claims)
    abort("021", "hub-certificate-of-another-type", "A hub certificate's claims under a "
                                                    "grant's type",
          certificates(as_grant))  # fmt: skip
    abort(
        "070",
        "hub-certificate-expired",
        "A hub certificate that has ended",
        certificates(hub(expires=WALL)),
    )
    abort(
        "071",
        "hub-of-another-issuer",
        "A hub certified by a stranger",
        certificates(hub(issuer="stranger")),
    )
    there = certificates(hub(site="site-2"), _epoch(lambda c: c.update({3: "site-2"})))
    abort(
        "071", "hub-of-another-site", "A hub that the same issuer certified for another site", there
    )
    forged = cbor.decode(hub(issuer="stranger"), frozenset({18}))
    forged.value[1] = {4: world.signer("issuer").verify_key.kid}
    abort("071", "hub-of-another-issuer-known-kid", "A stranger's hub certificate that names "
                                                    "the right key id",
          certificates(cbor.encode(forged)))  # fmt: skip
    abort("072", "access-point-not-in-scope", "A hub that is not certified for the door wanted",
          certificates(hub(points=(2, 3))))  # fmt: skip
    revoked = [world.signer("hub").verify_key.kid.hex()]
    abort(
        "073",
        "hub-revoked",
        "A hub on the phone's list of revoked ones",
        certificates(),
        revoked_hubs=revoked,
    )
    abort("074", "epoch-of-7201-s", "An epoch's certificate of more than two hours",
          certificates(epoch=world.epoch_certificate(life=7201)))  # fmt: skip
    over = world.epoch_certificate(began=WALL - 3900 - 301)
    abort(
        "075",
        "epoch-over-by-301-s",
        "An epoch that ended 301 s ago by the phone's clock",
        certificates(epoch=over),
    )
    early = world.epoch_certificate(began=WALL + 302)
    abort("075", "epoch-begins-in-301-s", "An epoch that begins in 301 s by the phone's clock",
          certificates(epoch=early))  # fmt: skip
    abort("076", "kid-not-the-thumbprint", "An epoch key whose id is not its thumbprint",
          certificates(epoch=_epoch(lambda c: c[8][1].update({2: bytes(8)}))))  # fmt: skip
    abort("077", "exponent-3", "An epoch key with exponent 3",
          certificates(epoch=_epoch(lambda c: c[8][1].update({-2: b"\x03"}),
          rename=True)))  # fmt: skip
    abort(
        "071",
        "hub-key-of-rsa",
        "A hub whose certified key is an RSA key",
        certificates(hub(key="phone_rsa")),
    )
    twice = _epoch(lambda c: c.update({-65537: [3, 3]}))
    abort("018", "phone-aead-offered-twice", "An epoch's certificate that offers an AEAD twice",
          certificates(epoch=twice))  # fmt: skip
    abort("052", "phone-access-point-of-2-to-the-32", "A hub certificate with an access point "
                                                      "above 4,294,967,295",
          certificates(hub(points=(1, 2**32))))  # fmt: skip
    file = PhoneFile("078", "phone-hub-not-the-challenges", epoch_private_key=None)
    file.info(hub="hub_b")
    file.message(certificates())
    file.save(
        "Right certificates of another hub than the challenge names: nothing is sent, nothing kept",
        "ABORT",
    )
    by_b = world.epoch_certificate("epoch", world.HUB, "hub_b")
    abort(
        "078",
        "epoch-signed-by-another-hub",
        "An epoch's certificate signed by hub 2",
        certificates(epoch=by_b),
    )
    of_b = certificates(epoch=world.epoch_certificate("epoch", world.HUB_B, "hub_b"))
    abort("078", "epoch-of-another-hub", "Another hub's own epoch certificate", of_b)
    none = _epoch(lambda c: c.update({-65537: []}))
    abort(
        "018",
        "phone-no-aead-offered",
        "An epoch's certificate that offers no AEAD",
        certificates(epoch=none),
    )
    file = PhoneFile("076", "epoch-of-another-kid", epoch_private_key=None)
    for _ in range(2):
        file.info()
        file.message(certificates(epoch=world.epoch_certificate("epoch_b")))
    file.save(
        "Certificates of another epoch than the challenge's: INFO is read again, once", "ABORT"
    )
    file = PhoneFile("079", "challenge-version-2", epoch_private_key=None)
    file.info(version=2)
    file.save("A challenge of version 2", "ABORT")
    file = PhoneFile("075", "epoch-over-by-300-s")
    file.info()
    file.message(certificates(epoch=world.epoch_certificate(began=WALL + 1 - 3900 - 300)))
    _seal(file)
    file.save("An epoch that ended 300 s ago by the phone's clock", "ACCEPT")
    file = PhoneFile("081", "phone-no-certificates-come", epoch_private_key=None)
    file.info()
    file.do("silence")
    file.save("No certificates come within 8 s", "ABORT")


def _epoch(change: Any, rename: bool = False) -> bytes:
    claims: dict[int, Any] = cbor.decode(
        cbor.decode(world.epoch_certificate(), frozenset({18})).value[2]
    )
    change(claims)
    if rename:
        key = claims[8][1]
        key[2] = cose.thumbprint(key)[:8]
    return document("epoch", claims, "hub", kid=False)


def _hints() -> None:
    known: list[Json] = [
        {
            "hub_certificate": world.hub_certificate().hex(),
            "epoch_certificate": world.epoch_certificate().hex(),
        }
    ]
    file = PhoneFile("080", "error-injected", epochs=known)
    file.info()
    file.message(_error(ErrorCode.FAILED))
    file.info("/2")
    file.message(_certificates())
    file.message(_error(ErrorCode.FAILED))
    file.save(
        "An error in the clear: one more try by the full path, then the result is unknown",
        "UNKNOWN",
    )

    file = PhoneFile("080", "error-injected-then-answered", epochs=known)
    file.info()
    file.message(_error(ErrorCode.UNKNOWN_EPOCH))
    file.info("/2")
    file.message(_certificates())
    _seal(file)
    file.save(
        "Unknown epoch: the cached one is dropped, the same operation is asked again", "ACCEPT"
    )

    file = PhoneFile("080", "untrusted-after-a-request", epochs=known)
    file.info()
    file.message(_error(ErrorCode.FAILED))
    file.info("/2")
    file.message(_certificates(world.hub_certificate(issuer="stranger")))
    file.save(
        "A hub that turns out to be none of ours after a request was sent: the result is unknown",
        "UNKNOWN",
    )

    file = PhoneFile("080", "info-no-challenge-after-a-request", epochs=known)
    file.info()
    file.message(_error(ErrorCode.TIMEOUT))
    file.do("info", bytes=b"hello".hex())
    file.save(
        "No challenge where one is due, after a request was sent: the result is unknown", "UNKNOWN"
    )

    file = PhoneFile("080", "resume-failed", tickets=[TicketPlan().at_phone()], epochs=known)
    file.info()
    file.message(_error(ErrorCode.FAILED))
    file.info("/2")
    file.message(_certificates())
    _seal(file)
    file.save("A resume that failed: the full path, the same operation", "ACCEPT")

    file = PhoneFile("080", "busy-three-times", epochs=known)
    for tag in ("/1", "/2", "/3"):
        file.info(tag)
        file.message(_error(ErrorCode.BUSY))
    file.info("/4")
    file.message(_certificates())
    file.do("silence")
    file.save("Busy: two waits, one try more, then the result is unknown", "UNKNOWN")

    file = PhoneFile("080", "silence", epochs=known)
    file.info()
    file.do("silence")
    file.info("/2")
    file.do("silence")
    file.save("No answer within 6 s, twice", "UNKNOWN")


def _tickets() -> None:
    """A ticket is worth no more than the hub certificate that its chain began with."""

    def unused(row: str, name: str, shows: str, ticket: Json, **given: Any) -> None:
        file = PhoneFile(row, name, tickets=[ticket], epoch_private_key=None, **given)
        file.info()
        file.save(shows, "")

    kept = TicketPlan()
    unused("072", "phone-ticket-not-for-this-door",
           "A ticket of a hub that was not certified for the door wanted: it is not used, and "
           "stays for other doors",
           kept.at_phone(points=(2, 3)))  # fmt: skip
    unused("070", "phone-ticket-outlives-its-hub",
           "A ticket whose hub's certificate has ended, whatever the ticket says: it is not "
           "used, and goes",
           kept.at_phone(hub_expires=WALL))  # fmt: skip
    unused("073", "phone-ticket-of-a-revoked-hub", "A ticket of a hub that was revoked since: "
                                                   "it is not used",
           kept.at_phone(), revoked_hubs=[world.signer("hub").verify_key.kid.hex()])  # fmt: skip
    unused("018", "phone-ticket-aead-off-the-list", "A ticket whose AEAD the site allows no "
                                                    "more: it is not used",
           kept.at_phone(), aeads=[1, 2])  # fmt: skip

    ends = TicketPlan()
    file = PhoneFile(
        "065",
        "phone-ticket-at-its-end",
        tickets=[ends.at_phone(expires=WALL + 1, hub_expires=WALL + 1)],
    )
    file.pause(1.0)
    _answer(file, ends, file.info())
    file.save(
        "The last second counts: a ticket, and its hub's certificate, are good at their end",
        "ACCEPT",
    )

    carried = TicketPlan()
    scope = carried.at_phone(points=(1, 4), hub_expires=WALL + 5000)
    file = PhoneFile("072", "phone-scope-goes-along-the-chain", tickets=[scope])
    _answer(file, carried, file.info())
    file.save("The next ticket keeps the scope and the end that the chain began with", "ACCEPT")


def _info() -> None:
    for name, value in (
        ("text", b"hello"),
        ("half", world.fixed("half", 22)),
        ("array", cbor.encode([])),
    ):
        file = PhoneFile("103", f"phone-info-no-challenge-{name}", epoch_private_key=None)
        file.do("info", bytes=value.hex())
        file.save(
            "INFO that is no challenge of any version: this is no hub; nothing is sent", "ABORT"
        )
    short = cbor.encode([1, bytes(4), bytes(15), bytes(8), bytes(8)])
    file = PhoneFile("103", "phone-info-nonce-of-15-bytes", epoch_private_key=None)
    file.do("info", bytes=short.hex())
    file.save("A challenge of version 1 with a nonce of 15 bytes", "ABORT")
    file = PhoneFile("103", "phone-info-empty", tickets=[TicketPlan().at_phone()])
    file.do("info", bytes="")
    file.pause(2.0)
    _answer(file, TicketPlan(), file.info())
    file.save(
        "An empty INFO: the hub is still at work; the phone waits and reads it again", "ACCEPT"
    )
    file = PhoneFile("103", "phone-info-empty-three-times", epoch_private_key=None)
    for _ in range(3):
        file.do("info", bytes="")
        file.pause(2.0)
    file.save("INFO is empty three times: two waits, then the phone gives up", "ABORT")


def _asking_again() -> None:
    """Which op the user's next try has."""

    def again(
        name: str, shows: str, first: str, after_seconds: float = 10.0, reason: Reason | None = None
    ) -> None:
        file = PhoneFile("104", name, tickets=[TicketPlan().at_phone()])
        challenge = file.info()
        if reason is None:
            file.do("lost")
        else:
            _answer(file, TicketPlan(), challenge, reason=reason)
        file.pause(after_seconds)
        file.do("again")
        file.info("/2")
        file.message(_certificates())
        _seal(file)
        file.save(shows, f"{first}, ACCEPT")

    again(
        "phone-asks-again-after-no-answer",
        "No answer, asked again after 10 s: the same op",
        "UNKNOWN",
    )
    again(
        "phone-asks-again-119-s-later",
        "No answer, asked again after 119 s: the same op",
        "UNKNOWN",
        119.0,
    )
    again(
        "phone-asks-again-121-s-later",
        "No answer, asked again after 121 s: a new op",
        "UNKNOWN",
        121.0,
    )
    for reason in (Reason.BUSY, Reason.OP_CONFLICT, Reason.FAULT, Reason.SCHEDULE):
        word = reason.name.lower().replace("_", "-")
        again(f"phone-asks-again-after-{word}", "A sealed answer, whatever it is: the next "
                                                "wish has a new op",
              f"SEALED {int(reason)}", 10.0, reason)  # fmt: skip
