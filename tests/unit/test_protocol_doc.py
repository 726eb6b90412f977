"""docs/protocol.md says what the code does: every constant, code and UUID, and a worked example
that really opens.

Law: the document is parsed, never searched for a number somewhere; a table that loses its heading
fails the test. `python tests/unit/test_protocol_doc.py` makes the worked example again from the
keys in the document, after a change of the protocol's bytes.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import IntEnum, IntFlag
from pathlib import Path as File
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hubcore.access import decide, grant, once, revocations
from hubcore.access.claim import ClaimOutcome
from hubcore.access.grant import TYPE as GRANT_TYPE
from hubcore.access.grant import Access, Grant, issue_grant, read_grant
from hubcore.access.words import Action, HubName, Mode
from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor, cose, cwt
from hubcore.codec.cose import Aead, SigningKey
from hubcore.door.state import DoorState
from hubcore.phone import (
    answers,
    certificates,
    epochs,
    framing,
    gatt,
    handshake,
    link,
    messages,
    sealing,
)
from hubcore.phone import tickets as tickets_module
from hubcore.phone.certificates import EPOCH as EPOCH_TYPE
from hubcore.phone.certificates import HUB as HUB_TYPE
from hubcore.phone.certificates import (
    CertificateInForce,
    EpochCertificate,
    HubCertificate,
    issue_epoch_certificate,
    issue_hub_certificate,
    read_epoch_certificate,
    read_hub_certificate,
)
from hubcore.phone.effects import FollowUp, Presented, Unseal
from hubcore.phone.epochs import Epoch, EpochRing
from hubcore.phone.handshake import HandshakePhase, HubSide
from hubcore.phone.link import HubLink, LinkEffect, Notify
from hubcore.phone.messages import ErrorCode, Reason
from hubcore.phone.tickets import TicketTable
from hubcore.policy import document as policies
from hubcore.timing import standstill
from hubcore.timing.budget import Budget
from hubd.config.hub import Protocol
from hubsim.phone import effects, machine, onlink, trust
from hubsim.phone import wallet as phone_wallet
from hubsim.phone.effects import SendMessage
from hubsim.phone.machine import Attempt, AttemptPhase
from hubsim.phone.wallet import KeptTicket, Wallet
from tests.vectors.form import Chance, files, load
from tests.vectors.phone_run import PhoneRun

pytestmark = pytest.mark.once

ROOT = File(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "protocol.md"
TEXT = DOCUMENT.read_text(encoding="utf-8")

Example = dict[str, Any]
AEADS = (Aead.A256GCM, Aead.A192GCM, Aead.A128GCM)
MTU = 247


def section(heading: str) -> str:
    """The text under a heading, up to the next one of the same or a higher level."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", TEXT, re.M)
    assert found, f"docs/protocol.md has no heading {heading!r}"
    rest = TEXT[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.M)
    return rest[: end.start()] if end else rest


def table(heading: str) -> list[list[str]]:
    """The rows of the first table under a heading, without its head; cells without their
    backticks.
    """
    lines = section(heading).splitlines()
    first = next((at for at, line in enumerate(lines) if line.startswith("|")), None)
    assert first is not None, f"no table under {heading!r}"
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip("| \n").split("|")])
    assert rows
    return rows


def number(cell: str) -> float | range:
    """`4,096 bytes` -> 4096, `8..16 bytes` -> range(8, 17)."""
    if spread := re.match(r"(\d+)\.\.(\d+)", cell):
        return range(int(spread[1]), int(spread[2]) + 1)
    found = re.match(r"[\d,]+(\.\d+)?", cell)
    assert found, f"{cell!r} begins with no number"
    return float(found[0].replace(",", ""))


def resolve(dotted: str) -> Any:
    """`hubcore.phone.framing.WINDOW` -> 4."""
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("row", table("All times and limits"), ids=lambda row: str(row[2]))
def test_each_limit_is_the_constant_it_names(row: list[str]) -> None:
    assert len(row) == 3
    assert number(row[1]) == resolve(row[2]), row


_BYTES_OF_A_LAYOUT = {
    "DIRECT",
    "GET_EPOCH",
    "SEQ_AT",
    "UINT32_MAX",
    "MINUTES_A_DAY",
    "ALL_DAYS",
    "SCOPE_ITEMS",
    "KEY_ASKS",
    "IN_BROWSER",
}
_BYTES_OF_A_LAYOUT |= {"ISS", "SUB", "AUD", "EXP", "NBF", "CTI", "CNF", "SCOPE"}
_OF_NO_PHONE = {"RENEW_DAYS", "DAY_SECONDS", "AHEAD_SECONDS", "STEP_SECONDS", "MINUTE_SECONDS"}


@pytest.mark.parametrize(
    "module",
    [
        decide,
        epochs,
        framing,
        handshake,
        link,
        messages,
        once,
        policies,
        standstill,
        tickets_module,
        cwt,
        grant,
        certificates,
        machine,
        trust,
        onlink,
        phone_wallet,
    ],
)
def test_no_limit_of_the_code_is_missing_in_the_table(module: Any) -> None:
    listed = {row[2] for row in table("All times and limits")}
    tree = ast.parse(File(module.__file__).read_text(encoding="utf-8"))
    targets = [t for node in tree.body if isinstance(node, ast.Assign) for t in node.targets]
    names = {
        leaf.id for target in targets for leaf in ast.walk(target) if isinstance(leaf, ast.Name)
    }
    public = (
        {name for name in names if name.isupper() and not name.startswith("_")}
        - _BYTES_OF_A_LAYOUT
        - _OF_NO_PHONE
    )
    numbers = {name for name in public if isinstance(getattr(module, name), int | float | range)}
    assert {f"{module.__name__}.{name}" for name in numbers} <= listed


def test_what_a_hub_may_choose_is_its_configuration() -> None:
    rows = {row[0]: row[1] for row in table("What one hub may choose")}
    defaults = Protocol()
    assert set(rows) == {f"protocol.{name}" for name in Protocol.__struct_fields__}
    for key, shown in rows.items():
        value = getattr(defaults, key.removeprefix("protocol."))
        assert shown == ", ".join(value) if isinstance(value, tuple) else number(shown) == value, (
            key
        )


def test_uuids() -> None:
    assert {row[0]: row[1] for row in table("GATT table")} == {
        name: getattr(gatt, name) for name in ("SERVICE", "INFO", "RX", "TX", "TXR")
    }
    assert [row[0] for row in table("GATT table")][1:] == ["INFO", "RX", "TX", "TXR"]
    known = {gatt.SERVICE, gatt.INFO, gatt.RX, gatt.TX, gatt.TXR}
    assert set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", TEXT)) == known


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("Frame header", framing.Flag),
        ("AEADs", Aead),
        ("Actions", Action),
        ("Errors in clear", ErrorCode),
        ("Reasons", Reason),
        ("Door states", DoorState),
        ("Modes", Mode),
    ],
)
def test_codes(heading: str, kind: type[IntEnum] | type[IntFlag]) -> None:
    assert {(int(row[0], 0), row[1]) for row in table(heading)} == {(m.value, m.name) for m in kind}


def test_each_denial_has_the_reason_shown() -> None:
    shown = {
        (word, row[1]) for row in table("Reasons") for word in row[2].split(", ") if word != "-"
    }
    assert shown == {(str(denial), reason.name) for denial, reason in answers.REASONS.items()}


def test_constant_texts() -> None:
    quoted = set(re.findall(r"application/[\w.+-]+", TEXT))
    kinds = {
        HUB_TYPE,
        EPOCH_TYPE,
        GRANT_TYPE,
        policies.TYPE,
        revocations.TYPE,
        sealing.REQUEST_TYPE,
    }
    assert quoted == kinds
    assert {row[0] for row in table("Kinds of document")} == kinds


def test_the_state_tables_know_every_state_and_no_other() -> None:
    assert {row[0] for row in table("Hub, for each link")} - {"any"} == {
        phase.name for phase in HandshakePhase
    }
    stages = {state for row in table("Phone, for each attempt") for state in row[1].split(", ")}
    assert stages - {"any"} == {phase.name for phase in AttemptPhase}


def test_the_rows_of_the_phones_table_are_numbered_and_lead_where_the_phone_can_be() -> None:
    rows = table("Phone, for each attempt")
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert {row[4] for row in rows} <= {phase.name for phase in AttemptPhase} | {"the same"}
    cited = {
        number
        for text in re.findall(r"rows? (\d+(?:(?:, | and | to )\d+)*)", section("The phone"))
        for number in re.findall(r"\d+", text)
    }
    assert cited <= {row[0] for row in rows}


def test_each_row_of_the_phones_table_is_shown_by_vectors() -> None:
    have = {file.name[:3] for file in files("phone")}
    for row in table("Phone, for each attempt"):
        assert set(row[5].split(", ")) <= have, row[0]
    shown = {number for row in table("Phone, for each attempt") for number in row[5].split(", ")}
    assert have - shown <= _OF_OTHER_SECTIONS


def test_the_phone_goes_where_its_table_says_and_everywhere_it_says() -> None:
    """Over all vectors: no step of the phone leads elsewhere, and each way of the table is gone at
    least once.
    """
    ways = set[tuple[str, str]]()
    for _, states, _, _, end, _ in table("Phone, for each attempt"):
        for state in states.split(", "):
            begins = [phase.name for phase in AttemptPhase] if state == "any" else [state]
            ways |= {(begin, begin if end == "the same" else end) for begin in begins}
    gone = {way for path in files("phone") for way in _ways_of(path)}
    # rows 18 and 24 in one step
    asked_and_left = {(begin, "END") for begin, end in ways if end == "SESSION"}
    assert gone <= ways | asked_and_left
    assert ways <= gone


@pytest.mark.parametrize("door", DoorState)
def test_the_first_state_is_the_last_one_whatever_it_says(door: DoorState) -> None:
    rows = [row for row in table("Phone, for each attempt") if row[1] == "SESSION"]
    assert {row[3] for row in rows if row[4] == "SESSION"} == {"ignored"}
    e = example()
    phone = wallet(e)
    ticket = (
        e["ticket_id"],
        e["ratchet"],
        Aead.A256GCM,
        e["now"],
        frozenset({e["access_point"]}),
        e["now"],
    )
    phone.tickets[e["hub_kid"]] = KeptTicket(e["hub"], *ticket)
    attempt = Attempt(phone, e["access_point"], Action.OPEN, bytes, sealing.BLE_GATT, e["op_2"])
    (sends,) = attempt.challenge(e["challenge_2"], e["now"])
    assert isinstance(sends, SendMessage)
    keys = sealing.session_keys(
        e["ratchet"], sealing.BLE_GATT, e["challenge_2"], sends.message, Aead.A256GCM, e["hub"]
    )
    verdict = messages.Verdict(e["op_2"], True, Reason.OK, DoorState.RELEASED, e["now"], None)
    attempt.receive(
        messages.encode_to_phone(sealing.seal_verdict(verdict, keys, bytes(12))), e["now"]
    )
    assert attempt.phase is AttemptPhase.SESSION
    state = messages.State(1, e["op_2"], e["access_point"], door, e["now"])
    (shows,) = attempt.receive(
        messages.encode_to_phone(sealing.seal_state(state, keys, bytes(12))), e["now"]
    )
    assert shows == effects.Moved(state)
    assert attempt.phase is AttemptPhase.END


def _ways_of(path: File) -> Iterator[tuple[str, str]]:
    file = load(path)
    run = PhoneRun(file["given"], Chance(file["random"], ""))
    for step in file["steps"]:
        before = run.attempt.phase
        run.step(step)
        if step["do"] != "again":
            yield before.name, run.attempt.phase.name


_OF_OTHER_SECTIONS = {"104", "106"}
"""The next try of a wish, and the reading of TXR."""


def test_what_the_phone_does_about_an_error_is_its_table() -> None:
    """An error other than BUSY is worth one further try; only some of them cost the cached
    certificates.
    """
    forgets = {row[1]: row[3] for row in table("Errors in clear")}
    for code in ErrorCode:
        e = example()
        phone = wallet(e)
        known = phone_wallet.KnownEpoch(
            *_certified(e), hub_bytes=e["hub_certificate"], epoch_bytes=e["epoch_certificate"]
        )
        phone.keep_epoch(known)
        attempt = Attempt(phone, e["access_point"], Action.OPEN, bytes, sealing.BLE_GATT)
        tries = 3 if code is ErrorCode.BUSY else 1
        for _ in range(tries):
            assert phone.epochs
            attempt.challenge(e["challenge"], e["now"])
            (again,) = attempt.receive(messages.encode_to_phone(messages.Error(code)), e["now"])
            assert isinstance(again, effects.ReadInfo)
        assert bool(phone.epochs) == (forgets[code.name] == "no"), code.name


def _certified(e: Example) -> tuple[HubCertificate, EpochCertificate]:
    hub = read_hub_certificate(e["hub_certificate"], ec_key(e["issuer_scalar"]).verify_key)
    return hub, read_epoch_certificate(e["epoch_certificate"], hub, (384,))


def test_a_ticket_on_the_phone_holds_what_the_page_says() -> None:
    fields = {"id", "secret", "aead", "expires", "hub", "access_points", "hub_expires"}
    assert {field.name for field in dataclasses.fields(KeptTicket)} == fields
    # id, rs and AEAD share a row; the kid finds it
    assert len(table("Tickets on the phone")) == len(fields) - 2 + 1


def test_how_a_phone_reads_txr_is_what_its_table_says() -> None:
    after = onlink.PULL_AFTER_SECONDS, onlink.PULL_EVERY_SECONDS
    soon = onlink.PULL_AFTER_SECONDS, onlink.PULL_SOON_SECONDS
    rows = table("Reading TXR")
    assert "after 30 ms in the first second" in rows[1][3]
    for row, subscribed, first, at_first, empty in zip(
        rows, (True, False), (after[0], 0.0), soon, after, strict=True
    ):
        listening = onlink.Listening(bytes(4), subscribed)
        listening.begin(10.0)
        assert listening.pull_at == 10.0 + first
        listening.pulls()
        listening.pulled(b"", 10.9)
        assert listening.pull_at == 10.9 + at_first
        listening.pulls()
        listening.pulled(b"", 11.0)
        assert listening.pull_at == 11.0 + empty
        listening.pulls()
        listening.pulled(b"something", 30.0)
        assert listening.pull_at == 30.0
        assert row[2] == "again at once"
        shown = f"{round(empty)} s" if empty >= 1 else f"{round(1000 * empty)} ms"
        assert shown in row[3]


def _messages_allowed() -> set[tuple[str, str]]:
    return {(phase.name, kind.__name__) for phase, kind in handshake._STEPS}


def test_the_hub_takes_the_messages_that_its_table_takes() -> None:
    names = {"get-epoch": "GetEpoch", "open": "Open", "resume": "Resume"}
    refused: set[tuple[str, str]] = set()
    taken: set[tuple[str, str]] = set()
    for state, event, does, _ in table("Hub, for each link"):
        for word, kind in names.items():
            if event.startswith(f"{word}:") or event == word:
                (refused if does.startswith("error TIMEOUT") else taken).add((state, kind))
    assert taken == _messages_allowed()
    assert refused == {(p, k) for p in ("IDLE", "SESSION") for k in ("Open", "Resume")}


def _tests_of(path: File) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_named_for_a_property_exists() -> None:
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", section("Security properties"))
    assert len(named) >= 26
    files = {file: _tests_of(ROOT / file) if (ROOT / file).exists() else set() for file, _ in named}
    assert sorted({f"{file}::{name}" for file, name in named if name not in files[file]}) == []


def test_every_vector_named_for_a_property_exists() -> None:
    named = {
        word for row in table("Security properties") for word in row[2].split(", ") if word != "-"
    }
    have = {file.name[:3] for file in (ROOT / "tests" / "vectors" / "v1").glob("*.json")}
    assert sorted(named - have) == []


def test_every_section_that_is_referred_to_exists() -> None:
    numbers = set(re.findall(r"^##+ (?:.*)$", TEXT, re.M))
    anchors = {re.sub(r"[^\w\- ]", "", h.lstrip("# ").lower()).replace(" ", "-") for h in numbers}
    assert set(re.findall(r"\]\(#([\w-]+)\)", TEXT)) <= anchors


def test_the_threat_model_names_what_is_there() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    files = [
        file
        for top in ("hubcore", "hubd", "hublocal", "hubctl", "hubgateway", "hardware-sim/hubsim")
        for file in (ROOT / top).rglob("*.py")
    ]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    assigned = [
        t
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign)
        for t in node.targets
    ]
    constants = {
        leaf.id for target in assigned for leaf in ast.walk(target) if isinstance(leaf, ast.Name)
    }
    named = set(re.findall(r"`([A-Z][A-Z_]+)`", text))
    assert len(named) >= 30
    assert sorted(named - constants) == []
    assert set(re.findall(r"`protocol\.(\w+)`", text)) <= set(Protocol.__struct_fields__)


# The worked example


def example() -> Example:
    """The values of the worked example: h'..' bytes, ".." text, digits a number."""
    values: Example = {}
    pattern = r"^(\w+) = (?:h'([0-9a-f\s]*)'|\"([^\"]*)\"|(\d+))$"
    for name, hex_, text, digits in re.findall(pattern, section("Worked example"), re.M):
        assert name not in values
        values[name] = int(digits) if digits else text or bytes.fromhex(hex_)
    return values


def scripted(*values: bytes) -> Callable[[int], bytes]:
    """Chance that gives these values in order, each of the size asked."""
    rest = list(values)

    def chance(size: int) -> bytes:
        value = rest.pop(0)
        assert len(value) == size
        return value

    return chance


def ec_key(scalar: bytes) -> SigningKey:
    return SigningKey(ec.derive_private_key(int.from_bytes(scalar, "big"), ec.SECP256R1()))


def rsa_key(e: Example) -> rsa.RSAPrivateKey:
    p = int.from_bytes(e["rsa_p"], "big")
    q = int.from_bytes(e["rsa_q"], "big")
    d = pow(65537, -1, (p - 1) * (q - 1))
    extra = (rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q))
    return rsa.RSAPrivateNumbers(p, q, d, *extra, rsa.RSAPublicNumbers(65537, p * q)).private_key()


def hub_side(e: Example, chance: Callable[[int], bytes]) -> HubSide:
    certificate = e["epoch_certificate"]
    ring = EpochRing()
    kid = e["epoch_kid"]
    digest = hashlib.sha256(certificate).digest()
    ends = e["now"] + 3900
    ring.add(Epoch(kid, certificate, digest, rsa_key(e), AEADS, e["now"], ends, 0.0))
    identity = ec_key(e["hub_scalar"]).verify_key.kid
    issuer = ec_key(e["issuer_scalar"]).verify_key
    tables = ring, TicketTable(e["now"] + 10**8), Budget(1, 1, 1)
    return HubSide(
        HubName(e["site"], e["hub"]),
        identity,
        CertificateInForce.of(e["hub_certificate"], issuer),
        issuer,
        *tables,
        chance,
    )


def wallet(e: Example) -> Wallet:
    issuer = ec_key(e["issuer_scalar"]).verify_key
    return Wallet(e["site"], issuer, ec_key(e["phone_scalar"]), e["grant"], AEADS)


def frames_of(messages_: Iterable[bytes], sid: bytes, mtu: int = MTU) -> list[bytes]:
    out = framing.Outbound(sid)
    frames = []
    for message in messages_:
        out.load(message)
    while frame := out.pull(mtu):
        frames.append(frame)
    return frames


class Replay:
    """A hub that gets the example's frames; `say` returns the frames it notifies."""

    def __init__(self, e: Example, side: HubSide) -> None:
        self.e = e
        self.link = HubLink(side, sealing.BLE_GATT, 0.0)
        self.door = DoorState.RELEASED

    def say(self, frames: Iterable[bytes], mtu: int = MTU) -> list[bytes]:
        return [
            f
            for frame in frames
            for f in self._perform(self.link.frame(frame, mtu, 1.0, self.e["now"]))
        ]

    def moved(self, door: DoorState) -> list[bytes]:
        assert self.due.access_point == self.e["access_point"]
        return self._perform(self.link.follow_up(self.due.session, door, self.e["now"] + 5))

    def _perform(self, effects: list[LinkEffect]) -> list[bytes]:
        frames: list[bytes] = []
        for effect in effects:
            if isinstance(effect, Notify):
                frames.append(effect.frame)
            elif isinstance(effect, Unseal):
                frames += self._perform(self.link.unsealed(sealing.open_request(effect.job), 1.1))
            elif isinstance(effect, FollowUp):
                self.due = effect
            else:
                assert isinstance(effect, Presented), effect
                granted = ClaimOutcome(None, self.door)
                frames += self._perform(self.link.answer(granted, 1.2, self.e["now"]))
        return frames


def replay(e: Example) -> Example:
    """Play the phone's part of the example to a hub; return what the hub gives, under the example's
    names.
    """
    names = ("sid", "nonce", "decoy", "ticket_id", "verdict_iv", "state_iv", "sid_2", "nonce_2")
    side = hub_side(e, scripted(*(e[name] for name in names), e["ticket_id_2"], e["verdict_iv_2"]))
    hub = Replay(e, side)
    got = {}
    got["challenge"] = hub.link.challenge(0.5)
    say = frames_of([messages.GET_EPOCH, e["open"]], e["sid"])
    got["get_epoch_frame"] = say[0]
    got["epoch_frames"] = b"".join(hub.say(say[:1]))
    got["open_heads"] = b"".join(f[: 8 if f[0] & 1 else 6] for f in say[1:])
    got["ack_frame"], got["verdict_frame"] = hub.say(say[1:])
    (got["state_frame"],) = hub.moved(DoorState.SECURED)
    got["challenge_2"] = hub.link.challenge(1.0)
    got["resume_frames_mtu_23"] = b"".join(small := frames_of([e["resume"]], e["sid_2"], 23))
    assert all(len(frame) <= 20 for frame in small)
    (got["resume_frame"],) = frames_of([e["resume"]], e["sid_2"])
    (got["verdict_frame_2"],) = hub.say([got["resume_frame"]])
    return got


def test_the_hub_answers_the_example_byte_for_byte() -> None:
    e = example()
    got = replay(e)
    epoch = framing.Inbound(e["sid"])
    parts = framing.decode_frame(e["epoch_frame_1"])
    assert got.pop("epoch_frames").startswith(e["epoch_frame_1"])
    assert epoch.accept(parts) == (None, None)
    assert parts.total == len(
        messages.encode_to_phone(messages.EpochAnswer(e["hub_certificate"], e["epoch_certificate"]))
    )
    assert got == {name: e[name] for name in got}


def test_the_phone_of_the_example_opens_both_verdicts_and_the_state() -> None:
    e = example()
    for at, message in (("", e["open"]), ("_2", e["resume"])):
        secret = e["secret"] if not at else e["ratchet"]
        keys = sealing.session_keys(
            secret, "ble-gatt", e[f"challenge{at}"], message, Aead.A256GCM, e["hub"]
        )
        assert (keys.to_phone, keys.ratchet) == (e[f"h2p{at}"], e[f"ratchet{at}"])
        frame = framing.decode_frame(e[f"verdict_frame{at}"])
        sealed = messages.decode_to_phone(frame.payload)
        assert isinstance(sealed, messages.VerdictMessage)
        verdict = sealing.open_verdict(sealed, keys)
        assert messages.encode_verdict(verdict) == e[f"verdict_plain{at}"]
        assert verdict.ticket is not None
        assert (verdict.allowed, verdict.op, verdict.ticket.id) == (
            True,
            e[f"op{at}"],
            e[f"ticket_id{at}"],
        )
    sealed_state = messages.decode_to_phone(framing.decode_frame(e["state_frame"]).payload)
    assert isinstance(sealed_state, messages.StateMessage)
    first = sealing.session_keys(
        e["secret"], "ble-gatt", e["challenge"], e["open"], Aead.A256GCM, e["hub"]
    )
    state = sealing.open_state(sealed_state, first)
    assert messages.encode_state(state) == e["state_plain"]
    assert (state.seq, state.door, state.access_point) == (1, DoorState.SECURED, e["access_point"])


def test_the_example_shows_each_step_of_the_open() -> None:
    e = example()
    bound = sealing.binding(
        "ble-gatt", e["challenge"], hashlib.sha256(e["epoch_certificate"]).digest(), Aead.A256GCM
    )
    assert bound == e["bind"]
    message = messages.decode_to_hub(e["open"])
    assert isinstance(message, messages.Open)
    assert (message.epoch, message.iv) == (e["epoch_kid"], e["open_iv"])
    key = cose.unwrap_key(rsa_key(e), message.encrypted_key, bytes(32))
    assert key == e["content_key"]
    plain = cose.unseal(Aead.A256GCM, key, message.iv, message.ciphertext, bound)
    protected, unprotected, payload, signature = cbor.decode(plain)
    assert (protected, unprotected, payload) == (e["request_protected"], {}, e["request"])
    assert len(plain) % messages.PAD_REQUEST == 0
    signed = cbor.encode(["Signature1", protected, bound, payload])
    assert signed.startswith(e["request_signed_head"])
    ec_key(e["phone_scalar"]).verify_key.verify(signature, signed)
    request = messages.decode_request(payload)
    assert (request.grant, request.op, request.secret) == (e["grant"], e["op"], e["secret"])


def test_the_example_shows_each_step_of_the_key_schedule() -> None:
    e = example()
    th = hashlib.sha256(cbor.encode(["hub/1", "ble-gatt", e["challenge"], e["open"]])).digest()
    th_empty = hashlib.sha256(cbor.encode(["hub/1", "ble-gatt", e["challenge_2"], b""])).digest()
    assert (th, th_empty) == (e["th_open"], e["th_empty_2"])
    infos = {name: _info(e, *args) for name, args in _INFOS.items()}
    assert infos == {name: e[name] for name in _INFOS}
    assert _hkdf(e["secret"], th, e["info_h2p"]) == e["h2p"]
    assert _hkdf(e["secret"], th, e["info_ticket"]) == e["ratchet"]
    assert _hkdf(e["ratchet"], th_empty, e["info_p2h"]) == e["p2h_2"]


_INFOS = {"info_h2p": (3, "h2p"), "info_ticket": (-10, "ticket"), "info_p2h": (3, "p2h")}


def _info(e: Example, alg: int, label: str) -> bytes:
    public = [256, cbor.encode({1: -10}), cbor.encode(label)]
    return cbor.encode([alg, [None, None, None], [e["hub"].encode(), None, None], public])


def _hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 of one block, written out (RFC 5869)."""
    import hmac

    prk = hmac.new(salt, secret, "sha256").digest()
    return hmac.new(prk, info + b"\x01", "sha256").digest()


def test_the_reference_phone_makes_the_resume_of_the_example() -> None:
    e = example()
    phone = wallet(e)
    kid = ec_key(e["hub_scalar"]).verify_key.kid
    expires = e["now"] + tickets_module.IDLE_SECONDS
    scope = frozenset({e["access_point"]})
    phone.tickets[kid] = KeptTicket(
        e["hub"],
        e["ticket_id"],
        e["ratchet"],
        Aead.A256GCM,
        expires,
        scope,
        e["now"] + 300 * 86_400,
    )
    attempt = Attempt(
        phone, e["access_point"], Action.OPEN, scripted(e["op_2"], e["resume_iv"]), sealing.BLE_GATT
    )
    assert attempt.challenge(e["challenge_2"], e["now"]) == [SendMessage(e["resume"])]
    plain = messages.ResumeRequest(e["op_2"], e["access_point"], Action.OPEN)
    assert messages.encode_resume_request(plain) == e["resume_plain"]


def test_the_documents_of_the_example_verify() -> None:
    e = example()
    issuer = ec_key(e["issuer_scalar"]).verify_key
    hub = read_hub_certificate(e["hub_certificate"], issuer)
    epoch = read_epoch_certificate(e["epoch_certificate"], hub, (384,))
    grant = read_grant(e["grant"], issuer, e["site"])
    assert (issuer.kid, hub.key.kid, epoch.kid) == (e["issuer_kid"], e["hub_kid"], e["epoch_kid"])
    assert (hub.hub, grant.credential, epoch.expires) == (
        e["hub"],
        e["credential"],
        e["now"] + 3900,
    )


# Making the example again


def fresh(old: Example) -> Example:
    """Make documents, messages and all steps from the names, times, keys and chance of `old`."""
    e = dict(old)
    issuer, hub, phone = (ec_key(e[f"{who}_scalar"]) for who in ("issuer", "hub", "phone"))
    day = 86_400
    point = e["access_point"]
    certified = HubCertificate(
        e["site"], e["hub"], e["now"] - day, e["now"] + 300 * day, hub.verify_key, (point,)
    )
    e["hub_certificate"] = issue_hub_certificate(issuer, certified, hub.cose_key)
    key = cose.write_encryption_key(rsa_key(e).public_key())
    span = e["now"], e["now"] + epochs.LIFE_SECONDS
    epoch = EpochCertificate(e["hub"], e["site"], *span, key[2], key[-1], AEADS)
    e["epoch_certificate"] = issue_epoch_certificate(hub, epoch)
    rights = Access(point, 0b1001, (Rule(0b0011111, 480, 1080), 12))
    span = e["now"] - day, e["now"] + 60 * day
    grant = Grant(
        e["site"],
        e["credential"],
        *span,
        bytes.fromhex("a0a1a2a3a4a5a6a7"),
        phone.verify_key,
        (rights,),
    )
    e["grant"] = issue_grant(issuer, grant, phone.cose_key)
    e |= {"issuer_kid": issuer.verify_key.kid, "hub_kid": hub.verify_key.kid, "epoch_kid": key[2]}
    challenges = [
        messages.Challenge(e[f"sid{n}"], e[f"nonce{n}"], e["hub_kid"], key[2]).encode()
        for n in ("", "_2")
    ]
    e["challenge"], e["challenge_2"] = challenges
    _fresh_open(e)
    _fresh_resume(e)
    got = replay(e)
    e["epoch_frame_1"] = got.pop("epoch_frames")[:MTU][: framing.FRAME_BYTES_MAX]
    return e | got


def _fresh_open(e: Example) -> None:
    chance = scripted(e["op"], e["secret"], e["content_key"], e["open_iv"])
    attempt = Attempt(wallet(e), e["access_point"], Action.OPEN, chance, sealing.BLE_GATT)
    attempt.challenge(e["challenge"], e["now"])
    answer = messages.encode_to_phone(
        messages.EpochAnswer(e["hub_certificate"], e["epoch_certificate"])
    )
    (send,) = attempt.receive(answer, e["now"])
    assert isinstance(send, SendMessage)
    e["open"] = send.message
    digest = hashlib.sha256(e["epoch_certificate"]).digest()
    e["bind"] = sealing.binding("ble-gatt", e["challenge"], digest, Aead.A256GCM)
    message = messages.decode_to_hub(send.message)
    assert isinstance(message, messages.Open)
    plain = cose.unseal(Aead.A256GCM, e["content_key"], message.iv, message.ciphertext, e["bind"])
    e["request_protected"], _, e["request"], _ = cbor.decode(plain)
    e["request_signed_head"] = cbor.encode(["Signature1", e["request_protected"], e["bind"], b""])[
        :-1
    ]
    e["th_open"] = hashlib.sha256(
        cbor.encode(["hub/1", "ble-gatt", e["challenge"], e["open"]])
    ).digest()
    e |= {name: _info(e, *args) for name, args in _INFOS.items()}
    keys = sealing.session_keys(
        e["secret"], "ble-gatt", e["challenge"], e["open"], Aead.A256GCM, e["hub"]
    )
    e["h2p"] = keys.to_phone
    e["ratchet"] = keys.ratchet
    new = messages.NewTicket(e["ticket_id"], e["now"] + tickets_module.IDLE_SECONDS)
    verdict = messages.Verdict(e["op"], True, Reason.OK, DoorState.RELEASED, e["now"], new)
    e["verdict_plain"] = messages.encode_verdict(verdict)
    state = messages.State(1, e["op"], e["access_point"], DoorState.SECURED, e["now"] + 5)
    e["state_plain"] = messages.encode_state(state)


def _fresh_resume(e: Example) -> None:
    e["th_empty_2"] = hashlib.sha256(
        cbor.encode(["hub/1", "ble-gatt", e["challenge_2"], b""])
    ).digest()
    e["p2h_2"] = sealing.resume_key(
        e["ratchet"], "ble-gatt", e["challenge_2"], Aead.A256GCM, e["hub"]
    )
    request = messages.ResumeRequest(e["op_2"], e["access_point"], Action.OPEN)
    e["resume_plain"] = messages.encode_resume_request(request)
    sealed = sealing.seal_resume(request, e["p2h_2"], Aead.A256GCM, e["resume_iv"], e["ticket_id"])
    e["resume"] = messages.encode_to_hub(sealed)
    keys = sealing.session_keys(
        e["ratchet"], "ble-gatt", e["challenge_2"], e["resume"], Aead.A256GCM, e["hub"]
    )
    e["h2p_2"] = keys.to_phone
    e["ratchet_2"] = keys.ratchet
    new = messages.NewTicket(e["ticket_id_2"], e["now"] + tickets_module.IDLE_SECONDS)
    verdict = messages.Verdict(e["op_2"], True, Reason.OK, DoorState.RELEASED, e["now"], new)
    e["verdict_plain_2"] = messages.encode_verdict(verdict)


def shown(value: object) -> str:
    """A value as the document shows it."""
    if not isinstance(value, bytes):
        return f'"{value}"' if isinstance(value, str) else str(value)
    hex_ = value.hex()
    if len(hex_) <= 84:
        return f"h'{hex_}'"
    lines = [hex_[at : at + 96] for at in range(0, len(hex_), 96)]
    return "h'\n  " + "\n  ".join(lines) + "'"


def main() -> None:
    """Write the example's new values into the document."""
    made = fresh(example())
    text = TEXT
    for name, value in made.items():
        pattern = rf"^{name} = (?:h'[0-9a-f\s]*'|\"[^\"]*\"|\d+)$"
        text, count = re.subn(
            pattern, lambda _, n=name, v=value: f"{n} = {shown(v)}", text, flags=re.M
        )  # type: ignore[misc]
        if count != 1:
            sys.exit(f"docs/protocol.md shows {name} {count} times")
    DOCUMENT.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
