"""What a site's server asks about hubs: read, judged, logged, and done by the office.

Machines ask at a gateway's desk, the server asks at the signer's, both before one engine in memory.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.enrolment.messages import Enrolled
from hubcore.backend.enrolment.promise import promise_of, read_promise, write_promise
from hubcore.backend.enrolment.token import digest_of
from hubcore.codec import cbor, cwt
from hubcore.errors import AuditError, FrameError, LinkError
from hubcore.issuing.hubasks import HubAct, HubAsk, read_ask, write_ask, written_fingerprint
from hubcore.issuing.hublines import read_any, write_decided
from hubcore.issuing.hubrules import Decided
from hubcore.issuing.limits import HubLimits
from hubcore.issuing.messages import (
    Decide,
    Done,
    decode_from_server,
    decode_from_signer,
    encode_from_server,
    encode_from_signer,
)
from hubcore.issuing.standing import Signed
from hubcore.issuing.words import (
    CLOCK_SECONDS,
    DAY_SECONDS,
    DocumentKind,
    Refusal,
    RefusedError,
)
from hubcore.phone.certificates import HUB as HUB_TYPE
from hubgateway.issuer.office.certificates import Heard
from hubgateway.issuer.signing.desk import Desk, Work
from hubgateway.issuer.signing.log import read_log
from hubgateway.issuer.signing.signer import LOG
from hubgateway.rules.names import CERTIFICATES_BUCKET, KEYS_BUCKET, PROMISES_BUCKET
from tests.fakes.table import FakeTable
from tests.unit.issuer.issuingdesk import LIMITS
from tests.unit.issuer.signingplace import make_signer, served
from tests.unit.test_gateway_enrolment import (
    NOON,
    OF_SITE,
    SIGNER,
    FakeArchive,
    Machine,
    hear,
    office,
)

pytestmark = pytest.mark.once

HUB = "hub-a"
MOST = HubLimits(
    access_points=frozenset({10, 11}),
    new_hubs_a_day=50,
    ends_a_day=50,
    acts_a_day=100,
    may_replace=True,
)
DOORS = ((10, "Front door"),)
MACHINES = (Machine(), Machine())


def fingerprint_of(machine: Machine) -> str:
    promise = promise_of(HUB, bytes(32), 0.0, dict(DOORS), "UTC", False)
    return promise.bound_to(machine.ask(), machine.curve_bytes).fingerprint


PRINTS = tuple(map(fingerprint_of, MACHINES))
TOKEN = HubAsk(HubAct.TOKEN, "olga", HUB, DOORS, "Europe/Berlin")
YES = HubAsk(HubAct.APPROVE, "olga", HUB, fingerprint=PRINTS[0])


def ask(act: HubAct) -> HubAsk:
    return HubAsk(act, "olga", HUB)


class AtOffice:
    """The office before an engine in memory, which may be away."""

    def __init__(self, heard: Heard | None = None) -> None:
        self.table = FakeTable()
        self.is_away = False
        self.heard = heard

    def __call__(self, work: Work) -> str:
        if self.is_away:
            raise LinkError("the engine does not answer")

        async def done() -> str:
            return await work(office(self.table, FakeArchive(), heard=self.heard))

        return asyncio.run(done())

    async def end_by_hand(self, hub: str) -> None:
        """As the command does."""
        await office(self.table, FakeArchive()).end(hub)


def desk(at: AtOffice, limits: HubLimits = MOST) -> Desk:
    return Desk(at, limits, 365 * DAY_SECONDS, wall=lambda: NOON)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="hub"))  # a socket's path has 107 bytes at most
    yield made
    shutil.rmtree(made)


# The messages and the lines of the log.

TEXT = st.text("abcÄ-9 ", min_size=1, max_size=12)
ASKS = st.one_of(
    st.builds(
        HubAsk,
        act=st.just(HubAct.TOKEN),
        by=TEXT,
        hub=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True),
        doors=st.dictionaries(st.integers(1, 65_535), TEXT, min_size=1, max_size=4).map(
            lambda doors: tuple(sorted(doors.items()))
        ),
        time_zone=TEXT,
        replaces=st.booleans(),
    ),
    st.sampled_from([YES, ask(HubAct.REFUSE), ask(HubAct.RENEW), ask(HubAct.END)]),
)


@settings(deadline=None)
@given(ASKS, st.integers(0, 99))
def test_an_ask_is_read_again_as_it_was_written(made: HubAsk, number: int) -> None:
    message = Decide(number, made)
    assert decode_from_server(encode_from_server(message)) == message
    done = Done(number, "ABCDE-FGHJK")
    assert decode_from_signer(encode_from_signer(done)) == done


@settings(deadline=None)
@given(ASKS, st.binary(max_size=60), st.integers(0, 200))
def test_other_bytes_are_no_ask(made: HubAsk, more: bytes, place: int) -> None:
    """hubasks, law 2"""
    for data in (more, write_ask(made)[:place] + more + write_ask(made)[place:]):
        try:
            found = read_ask(data)
        except FrameError:
            continue
        assert read_ask(write_ask(found)) == found


@pytest.mark.parametrize(
    "said",
    [
        [9, "olga", HUB, [], "", "", False],
        [True, "olga", HUB, [[10, "x"]], "UTC", "", False],
        [1, "", HUB, [[10, "x"]], "UTC", "", False],
        [1, "olga", "no.hub", [[10, "x"]], "UTC", "", False],
        [1, "olga", HUB, [], "UTC", "", False],
        [1, "olga", HUB, [[10, "x"], [10, "y"]], "UTC", "", False],
        [1, "olga", HUB, [[0, "x"]], "UTC", "", False],
        [1, "olga", HUB, [[10, "x\n"]], "UTC", "", False],
        [1, "olga", HUB, [[10, "x"]], "", "", False],
        [1, "olga", HUB, [[10, "x"]], "UTC", PRINTS[0], False],
        [1, "olga", HUB, [[point, "x"] for point in range(1, 34)], "UTC", "", False],
        [2, "olga", HUB, [], "", "", False],
        [2, "olga", HUB, [], "", PRINTS[0][:-1], False],
        [2, "olga", HUB, [], "", PRINTS[0], True],
        [2, "olga", HUB, [[10, "x"]], "", PRINTS[0], False],
        [3, "olga", HUB, [], "UTC", "", False],
        [3, "olga", HUB, [], "", "", 0],
        [3, "olga", HUB, [], "", ""],
    ],
)
def test_an_ask_out_of_shape_is_none(said: list[object]) -> None:
    """hubasks, laws 1 and 3"""
    with pytest.raises(FrameError):
        read_ask(cbor.encode(said))


def test_a_fingerprint_is_read_as_people_type_it() -> None:
    assert written_fingerprint(f" {PRINTS[0].lower().replace('-', ' ')} ") == PRINTS[0]
    assert written_fingerprint(PRINTS[0].replace("-", "")) == PRINTS[0]
    for wrong in ("", PRINTS[0][:-1], PRINTS[0] + "A", "ß" * 20, "<" * 20):
        assert written_fingerprint(wrong) == ""


def test_a_line_about_a_hub_is_read_again_and_one_of_another_shape_is_refused() -> None:
    """hublines, laws 1 to 3"""
    fact = Decided(HubAct.TOKEN, 7, "olga", HUB, (10, 11), "", True)
    body = write_decided(fact, "ä" * 99, 1)
    read, asker = read_any(body)
    assert read == fact
    assert asker == "ä" * 48
    for part, other in ((b"token", b"tokex"), (b"10 11", b"10 xx"), (b"bby", b"bbx")):
        text = body.replace(part, other)
        assert text != body
        with pytest.raises(AuditError):
            read_any(text)


# What is judged.


@pytest.mark.parametrize(
    ("limits", "wanted", "refusal", "why"),
    [
        (None, TOKEN, Refusal.RULE, "no section"),
        (replace(MOST, access_points=frozenset({11})), TOKEN, Refusal.RULE, "access point 10"),
        (HubLimits(), TOKEN, Refusal.RULE, r"access_points of \[enrolment\] .* \(signing.toml\)"),
        (replace(MOST, may_replace=False), replace(TOKEN, replaces=True), Refusal.RULE, "replace"),
        (replace(MOST, new_hubs_a_day=0), TOKEN, Refusal.CEILING, "new_hubs_a_day"),
        (replace(MOST, ends_a_day=0), ask(HubAct.END), Refusal.CEILING, "ends_a_day"),
        (replace(MOST, acts_a_day=0), ask(HubAct.REFUSE), Refusal.CEILING, "acts_a_day"),
        (HubLimits(), TOKEN, Refusal.RULE, "access point 10"),
    ],
)
def test_what_the_limits_do_not_allow_is_refused_and_leaves_no_line(
    folder: Path, limits: HubLimits | None, wanted: HubAsk, refusal: Refusal, why: str
) -> None:
    """hubrules, laws 1 to 4"""
    with closing(make_signer(folder, limits=replace(LIMITS, hubs=limits))) as signer:
        with pytest.raises(RefusedError, match=why) as raised:
            signer.decide(wanted, "x")
        assert raised.value.refusal is refusal
    assert list(read_log(folder / LOG)) == []


def test_a_days_ceilings_hold_over_a_restart_and_end_with_the_day(folder: Path) -> None:
    """hubrules, laws 3, 5 and 6"""
    now = [1_800_000_000.0]
    limits = replace(LIMITS, hubs=replace(MOST, new_hubs_a_day=2, acts_a_day=5))

    def decide(*wanted: HubAsk) -> None:
        with closing(make_signer(folder, limits=limits, wall=lambda: now[0])) as signer:
            for one in wanted:
                signer.decide(one, "x")

    decide(TOKEN, TOKEN)
    with pytest.raises(RefusedError, match="new_hubs_a_day"):
        decide(TOKEN)
    decide(YES, YES)
    decide(replace(YES, fingerprint=PRINTS[1]))
    with pytest.raises(RefusedError, match="acts_a_day"):
        decide(YES)
    now[0] += DAY_SECONDS + 1
    decide(TOKEN)
    now[0] -= CLOCK_SECONDS + 1
    with pytest.raises(RefusedError, match="set back"):
        decide(TOKEN)
    words = [read_any(record.body)[0].act.word for record in read_log(folder / LOG)]  # type: ignore[union-attr]
    assert words == ["token", "token", "approve", "approve", "approve", "token"]


def test_ends_and_replacements_have_one_ceiling_and_nothing_else_fills_it(folder: Path) -> None:
    """hubrules, law 3"""
    limits = replace(LIMITS, hubs=replace(MOST, ends_a_day=2, acts_a_day=2))
    replacing = replace(TOKEN, replaces=True)

    def decide(*wanted: HubAsk) -> None:
        with closing(make_signer(folder, limits=limits)) as signer:
            for one in wanted:
                signer.decide(one, "x")

    decide(replacing, ask(HubAct.RENEW))
    for wanted, why in ((ask(HubAct.RENEW), "acts_a_day"), (TOKEN, "acts_a_day")):
        with pytest.raises(RefusedError, match=why):
            decide(wanted)
    decide(ask(HubAct.END))
    for wanted in (ask(HubAct.END), replacing):
        with pytest.raises(RefusedError, match="ends_a_day"):
            decide(wanted)


def test_a_line_is_on_the_disk_before_anything_is_done(folder: Path) -> None:
    """signer, law 4"""

    class Looking:
        async def do(self, _ask: HubAsk) -> str:
            lines = [read_any(record.body)[0] for record in read_log(folder / LOG)]
            return f"{len(lines)} {lines[-1].by}"  # type: ignore[union-attr]

    async def play() -> None:
        signer = make_signer(folder, limits=replace(LIMITS, hubs=MOST))
        async with served(folder, signer, desk=Looking()) as place:
            assert await place.ask(lambda client: client.decide(TOKEN)) == "1 olga"
            with pytest.raises(RefusedError, match="access point 12"):
                await place.ask(lambda client: client.decide(replace(TOKEN, doors=((12, "x"),))))
            assert "token of hub hub-a is not done" in place.heard.lines[0]

    asyncio.run(play())


def test_without_a_section_nothing_is_done_and_nothing_is_logged(folder: Path) -> None:
    """hubrules, law 1"""

    async def play() -> None:
        async with served(folder) as place:
            with pytest.raises(RefusedError, match="no section"):
                await place.ask(lambda client: client.decide(TOKEN))

    asyncio.run(play())
    assert list(read_log(folder / LOG)) == []


# What is done.


def known(table: FakeTable) -> set[str]:
    return table.enrolled(HUB)


def test_a_machine_becomes_a_hub_by_token_and_yes_alone() -> None:
    at = AtOffice()
    said = desk(at).done(TOKEN)
    for act in (HubAct.APPROVE, HubAct.RENEW):
        with pytest.raises(RefusedError, match=r"no machine has asked|no certificate") as raised:
            desk(at).done(YES if act is HubAct.APPROVE else ask(act))
        assert raised.value.refusal is Refusal.OFFICE
    asyncio.run(hear(at.table, MACHINES[0], said))
    with pytest.raises(RefusedError, match=f"another fingerprint, {PRINTS[0]}"):
        desk(at).done(replace(YES, fingerprint=PRINTS[1]))
    assert known(at.table) == set()
    assert desk(at).done(YES) == ""
    assert known(at.table) == {MACHINES[0].curve_bytes.hex()}
    assert isinstance(asyncio.run(hear(at.table, MACHINES[0], said)), Enrolled)
    with pytest.raises(RefusedError, match="taken in already"):
        desk(at).done(ask(HubAct.REFUSE))
    assert desk(at).done(ask(HubAct.RENEW)) == ""
    assert desk(at).done(ask(HubAct.END)) == ""
    assert known(at.table) == set()


def test_what_lies_in_the_engine_is_judged_as_well() -> None:
    """desk, law 2"""
    at = AtOffice()
    table = at.table
    promise = promise_of(HUB, digest_of(b"0" * 10), NOON, {77: "Safe"}, "UTC", False)
    bound = promise.bound_to(MACHINES[0].ask(), MACHINES[0].curve_bytes)
    table.put(PROMISES_BUCKET, HUB, write_promise(bound))
    for wanted in (YES, ask(HubAct.REFUSE)):
        with pytest.raises(RefusedError, match="access point 77"):
            desk(at).done(wanted)
    assert not _refused_promise(table)
    replacing = replace(bound, names={"10": "x"}, replaces=True)
    table.put(PROMISES_BUCKET, HUB, write_promise(replacing))
    with pytest.raises(RefusedError, match="takes another's place"):
        desk(at, replace(MOST, may_replace=False)).done(YES)
    assert known(table) == set()
    signed = SIGNER.sign_for(MACHINES[0], 77, validity=OF_SITE)
    table.put(CERTIFICATES_BUCKET, HUB, signed.certificate)
    table.put(KEYS_BUCKET, "00" * 32, f"enrolled {HUB}".encode())
    for wanted in (
        ask(HubAct.END),
        ask(HubAct.RENEW),
        replace(TOKEN, doors=(), replaces=True),
        replace(TOKEN, replaces=True),
        YES,
    ):
        with pytest.raises(RefusedError, match="access point 77"):
            desk(at).done(wanted)
    assert known(table) == {"00" * 32}


def test_a_hub_whose_doors_nothing_proves_is_neither_ended_nor_replaced() -> None:
    """desk, law 2"""
    at = AtOffice()
    table = at.table
    promise = promise_of(HUB, digest_of(b"0" * 10), NOON, dict(DOORS), "UTC", True)
    bound = promise.bound_to(MACHINES[0].ask(), MACHINES[0].curve_bytes)
    table.put(PROMISES_BUCKET, HUB, write_promise(bound))
    table.put(KEYS_BUCKET, "00" * 32, f"enrolled {HUB}".encode())
    for wanted in (ask(HubAct.END), replace(TOKEN, replaces=True), YES):
        with pytest.raises(RefusedError, match="nobody can prove"):
            desk(at).done(wanted)
    assert known(table) == {"00" * 32}
    asyncio.run(at.end_by_hand(HUB))
    table.put(KEYS_BUCKET, "00" * 32, f"enrolled {HUB}".encode())
    assert desk(at).done(ask(HubAct.END)) == ""  # it is on the list of ends already
    assert known(table) == set()


def test_what_is_no_certificate_of_another_hub_keeps_no_hub_from_being_taken_in_or_ended() -> None:
    at = AtOffice()
    at.table.put(CERTIFICATES_BUCKET, "hub-y", b"no certificate")
    said = desk(at).done(TOKEN)
    asyncio.run(hear(at.table, MACHINES[0], said))
    desk(at).done(YES)
    taken = replace(TOKEN, hub="hub-b")
    with pytest.raises(RefusedError, match="access point 10 is hub-a's"):
        desk(at).done(taken)
    at.table.put(CERTIFICATES_BUCKET, "hub-z", b"no certificate")
    assert desk(at).done(ask(HubAct.END)) == ""
    assert known(at.table) == set()


def test_a_certificate_that_is_made_is_judged_and_logged_before_it_is_anywhere(
    folder: Path,
) -> None:
    """desk, law 6; signer, law 5; rules, law 9"""
    a_day = {**LIMITS.a_day, DocumentKind.CERTIFICATE: 2}
    limits = replace(LIMITS, hubs=MOST, a_day=a_day)
    with closing(make_signer(folder, SIGNER.issuer, limits, lambda: NOON)) as signer:
        at = AtOffice(signer.note)
        said = desk(at).done(TOKEN)
        asyncio.run(hear(at.table, MACHINES[0], said))
        desk(at).done(YES)
        desk(at).done(ask(HubAct.RENEW))
        before = at.table.rows[(CERTIFICATES_BUCKET, HUB)]
        with pytest.raises(RefusedError, match="certificate: 2 were signed") as raised:
            desk(at).done(ask(HubAct.RENEW))
        assert raised.value.refusal is Refusal.CEILING
        assert at.table.rows[(CERTIFICATES_BUCKET, HUB)] == before
        assert desk(at).done(ask(HubAct.END)) == "", "an end needs none"
    document, _ = before
    assert document is not None
    claims = cwt.prove(HUB_TYPE, document, SIGNER.issuer.verify_key, SIGNER.issuer.verify_key.kid)
    lines = [read_any(record.body)[0] for record in read_log(folder / LOG)]
    newest = lines[-1]
    assert isinstance(newest, Signed)
    assert (newest.of, newest.points, newest.digest) == (HUB, (10,), sha256(claims).digest())
    assert len(lines) == 2


def test_a_certificate_that_is_made_lasts_no_longer_than_any_other(folder: Path) -> None:
    """rules, law 9"""
    limits = replace(LIMITS, hubs=MOST, certificate_seconds=30 * DAY_SECONDS)
    with closing(make_signer(folder, SIGNER.issuer, limits, lambda: NOON)) as signer:
        at = AtOffice(signer.note)
        said = desk(at).done(TOKEN)
        asyncio.run(hear(at.table, MACHINES[0], said))
        with pytest.raises(RefusedError, match="ends later"):
            desk(at).done(YES)
        assert known(at.table) == set()


def test_an_engine_that_is_away_is_said_and_the_same_ask_ends_it() -> None:
    """desk, law 5"""
    at = AtOffice()
    at.is_away = True
    with pytest.raises(RefusedError, match=r"does not answer\. A part may be done") as raised:
        desk(at).done(TOKEN)
    assert raised.value.refusal is Refusal.ENGINE
    at.is_away = False
    assert desk(at).done(TOKEN)


STEPS = st.lists(
    st.sampled_from(
        [
            "token",
            "ask 0",
            "ask 1",
            "yes 0",
            "yes 1",
            "refuse",
            "renew",
            "end",
            "engine",
            "lost",
        ]
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_over_all_orders_no_machine_is_a_hub_whose_fingerprint_nobody_confirmed(
    steps: list[str],
) -> None:
    """desk, laws 1, 3 and 5: a lost answer is one that the operator does not see."""
    at = AtOffice()
    made = desk(at)
    tokens: list[str] = []
    confirmed: set[str] = set()
    for step in steps:
        word, _, who = step.partition(" ")
        if word == "engine":
            at.is_away = not at.is_away
        elif word == "ask":
            if tokens:
                asyncio.run(hear(at.table, MACHINES[int(who)], tokens[-1]))
        else:
            wanted = {
                "token": TOKEN,
                "lost": TOKEN,
                "yes": replace(YES, fingerprint=PRINTS[int(who or 0)]),
                "refuse": ask(HubAct.REFUSE),
                "renew": ask(HubAct.RENEW),
                "end": ask(HubAct.END),
            }[word]
            before = known(at.table)
            refused = _refused_promise(at.table)
            if word == "yes":
                confirmed.add(MACHINES[int(who)].curve_bytes.hex())
            try:
                said = made.done(wanted)
            except RefusedError as error:
                said = str(error)
                assert known(at.table) == before
                assert len(said) > 20
                continue
            assert not (word == "yes" and refused)
            assert bool(said) is (wanted is TOKEN)
            if word == "token":
                tokens.append(said)
            if word == "end":
                assert known(at.table) == set()
        assert known(at.table) <= confirmed
        assert len(known(at.table)) <= 1


def _refused_promise(table: FakeTable) -> bool:
    row, _ = table.rows.get((PROMISES_BUCKET, HUB), (None, 0))
    return row is not None and read_promise(row).refused
