"""What signs for a site's server, over its socket: what it gives, and what ends nobody but who
sent it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access import grant as grants
from hubcore.access import revocations
from hubcore.access.grant import Access
from hubcore.bridge.frames import frame
from hubcore.bridge.mandate import prove_mandate
from hubcore.calendar.schedule import Rule
from hubcore.codec import cbor
from hubcore.codec.cose import SigningKey, write_key
from hubcore.errors import ConfigError, HardwareError, LinkError, SignatureError, TrustError
from hubcore.issuing import messages
from hubcore.issuing.lines import read_line
from hubcore.issuing.messages import Ask, Hello, No, Ready
from hubcore.issuing.words import (
    ASK_BYTES,
    PAYLOAD_BYTES,
    DocumentKind,
    Refusal,
    RefusedError,
)
from hubcore.phone.certificates import read_hub_certificate
from hubcore.policy import document
from hubcore.timing.pace import Rate
from hubgateway.issuer.signing.client import ASKED_AHEAD, SigningClient, by_socket
from hubgateway.issuer.signing.log import read_log
from hubgateway.issuer.signing.ports import WAITING_MAX
from hubgateway.issuer.signing.signer import LOG, Signer
from hubgateway.issuer.signing.talk import TalkTimes, groups_of
from hubsim.site.documents import make_key
from tests.unit.issuer.issuingdesk import (
    ISSUER,
    LIMITS,
    NOW,
    PHONE,
    SITE,
    brought,
    certificate,
    grant,
    in_force,
    listed,
    mandate,
    policy,
)
from tests.unit.issuer.signingplace import WAIT_SECONDS, Place, make_signer, served
from tests.unit.issuer.test_signing_log import full_disk

pytestmark = pytest.mark.once

REVOKED = frozenset({"bert"})
KEY = write_key(PHONE.verify_key.public)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sig"))  # a socket's path has 107 bytes at most
    yield made
    shutil.rmtree(made)


def lines(folder: Path) -> list[tuple[str, str]]:
    """What the log says was signed, and for whom."""
    found = [read_line(record.body) for record in read_log(folder / LOG)]
    return [(fact.kind.word, asker) for fact, asker in found]


async def test_each_kind_is_signed_and_logged(folder: Path) -> None:
    def all_kinds(client: SigningClient) -> None:
        wanted = policy(7, revoked_credentials=REVOKED)
        issued = client.policy(wanted)
        assert document.read(issued.bundle(), ISSUER.verify_key, SITE) == wanted
        made = client.grant(grant(), KEY)
        assert grants.read_grant(made, ISSUER.verify_key, SITE) == grant()
        listed_ = revocations.read(
            client.revocations(SITE, 7, NOW, ["bert"]), ISSUER.verify_key, SITE
        )
        assert listed_.credentials == ("bert",)
        renewed = client.certificate(certificate(), in_force())
        assert read_hub_certificate(renewed, ISSUER.verify_key) == certificate()
        assert prove_mandate(client.mandate(mandate()), SITE, ISSUER.verify_key) == mandate()

    async with served(folder) as place:
        await place.ask(all_kinds)
        assert place.heard.lines == []
    assert lines(folder) == [(kind.word, "user hubsite") for kind in DocumentKind]


async def test_a_refusal_says_why_to_both_sides_and_leaves_no_line(folder: Path) -> None:
    async with served(folder) as place:
        with pytest.raises(RefusedError, match="no operator 'mallory'") as found:
            await place.ask(
                lambda client: client.policy(policy(7, operators={"mallory": OPERATOR}))
            )
        assert found.value.refusal is Refusal.RULE
        assert any("policy is not signed" in line for line in place.heard.lines)
        await place.ask(lambda client: client.grant(grant(), KEY))
    assert lines(folder) == [("grant", "user hubsite")]


OPERATOR = next(iter(LIMITS.operators.values()))


async def test_another_user_of_the_machine_is_told_nothing(folder: Path) -> None:
    """ports, law 1"""
    async with served(folder, uid=os.getuid() + 1) as place:
        with pytest.raises(LinkError):
            await place.ask(lambda client: client.check())
        assert any("may not ask" in line for line in place.heard.lines)


async def test_after_a_restart_it_goes_on_as_before(folder: Path) -> None:
    async with served(folder) as place:
        await place.ask(lambda client: client.policy(policy(7, revoked_credentials=REVOKED)))
        await place.ask(lambda client: client.certificate(certificate(), in_force()))
    async with served(folder) as place:
        for wrong, why in (
            (lambda client: client.policy(policy(8)), "revoked no more"),
            (lambda client: client.policy(policy(7)), "no next one"),
            (lambda client: client.certificate(certificate(), in_force()), "not the newest"),
        ):
            with pytest.raises(RefusedError, match=why):
                await place.ask(wrong)
        again = await place.ask(
            lambda client: client.policy(policy(7, revoked_credentials=REVOKED))
        )
        assert document.prove(again.root, ISSUER.verify_key, SITE).version == 7


async def test_what_was_begun_is_ended_when_its_caller_has_gone(folder: Path) -> None:
    """talk, law 5"""
    key = Removable()
    key.waits = threading.Event()
    async with served(folder, make_signer(folder, key)) as place:  # type: ignore[arg-type]
        caller = await Raw.come(place)
        await caller.greet()
        wanted = brought(grant())
        good = Ask(9, wanted.kind, wanted.claims)
        caller.writer.write(frame(messages.encode_from_server(good)))
        await asyncio.to_thread(key.is_asked.wait, WAIT_SECONDS)
        caller.writer.close()
        threading.Timer(0.05, key.waits.set).start()
    assert lines(folder) == [("grant", "user hubsite")]


def ask(made: object) -> Ask:
    wanted = brought(made)
    return Ask(1, wanted.kind, wanted.claims, wanted.along)


def test_a_last_policy_that_is_gone_or_another_refuses_the_start(folder: Path) -> None:
    """lastpolicy, laws 1 and 3"""
    signer = make_signer(folder)
    signer.sign(ask(policy(7)), "x")
    seven = (folder / "policy.7").read_bytes()
    signer.sign(ask(policy(8)), "x")
    signer.close()
    kept = folder / "policy.8"
    assert [path.name for path in folder.glob("policy.*")] == ["policy.8"]
    eight = kept.read_bytes()
    for wrong in (seven, eight[:-1], b""):
        kept.write_bytes(wrong)
        with pytest.raises(ConfigError, match=r"policy\.8"):
            make_signer(folder)
    kept.unlink()
    with pytest.raises(ConfigError, match="policy 8 was signed last: put its document there"):
        make_signer(folder)
    kept.write_bytes(eight)
    make_signer(folder).close()


def test_a_policy_that_was_kept_and_never_logged_means_nothing(folder: Path) -> None:
    """lastpolicy, law 2: as after a power cut between both"""
    signer = make_signer(folder)
    signer.sign(ask(policy(7)), "x")
    with full_disk(folder / LOG, 0), pytest.raises(RefusedError) as found:
        signer.sign(ask(policy(8)), "x")
    assert found.value.refusal is Refusal.DISK
    signer.close()
    again = make_signer(folder)
    again.sign(ask(policy(8, disabled=frozenset({"x"}))), "x")
    again.close()
    assert lines(folder) == [("policy", "x")] * 2


def test_without_its_line_no_signature_leaves(folder: Path) -> None:
    """signer, laws 1 and 2"""
    signer = make_signer(folder)
    signer.sign(ask(grant()), "x")
    with full_disk(folder / LOG, 10):
        for _ in range(2):
            with pytest.raises(RefusedError) as found:
                signer.sign(ask(grant()), "x")
            assert found.value.refusal is Refusal.DISK
    assert lines(folder) == [("grant", "x")]
    signer.sign(ask(grant()), "x")
    assert lines(folder) == [("grant", "x")] * 2
    signer.close()


class Removable:
    """A key whose token can be pulled out."""

    def __init__(self) -> None:
        self.is_out = False
        self.is_asked = threading.Event()
        self.waits: threading.Event | None = None

    alg = ISSUER.alg
    cose_key = ISSUER.cose_key
    verify_key = ISSUER.verify_key

    def sign(self, data: bytes) -> bytes:
        self.is_asked.set()
        if self.waits is not None:
            self.waits.wait(WAIT_SECONDS)
        if self.is_out:
            raise HardwareError("the token does not answer")
        return ISSUER.sign(data)


async def test_a_token_that_is_away_signs_nothing_and_goes_on_later(folder: Path) -> None:
    key = Removable()
    signer = make_signer(folder, key)  # type: ignore[arg-type]
    async with served(folder, signer) as place:
        key.is_out = True
        with pytest.raises(RefusedError, match="does not answer") as found:
            await place.ask(lambda client: client.grant(grant(), KEY))
        assert found.value.refusal is Refusal.KEY
        key.is_out = False
        await place.ask(lambda client: client.grant(grant(), KEY))
    assert lines(folder) == [("grant", "user hubsite")]


class Raw:
    """A caller that sends bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def come(cls, place: Place) -> Raw:
        return cls(*await asyncio.open_unix_connection(str(place.path)))

    async def hear(self) -> messages.FromSigner | None:
        """Return the next message, None at the end."""
        async with asyncio.timeout(WAIT_SECONDS):
            try:
                size = int.from_bytes(await self.reader.readexactly(4), "big")
                return messages.decode_from_signer(await self.reader.readexactly(size))
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def greet(self) -> None:
        self.writer.write(frame(messages.encode_from_server(Hello())))
        assert isinstance(await self.hear(), Ready)


NO_MESSAGES = [
    b"\xff",
    cbor.encode([]),
    cbor.encode([0, 0]),
    cbor.encode([2, 1, 6, b"x", b""]),
    cbor.encode([2, -1, 1, b"x", b""]),
    cbor.encode([2, 1, 1, b"", b""]),
    cbor.encode([2, 1, 1, "text", b""]),
    cbor.encode({2: 1}),
    cbor.encode([3, 1, b"x"]),
]


@pytest.mark.parametrize("junk", NO_MESSAGES, ids=range(len(NO_MESSAGES)))
async def test_what_is_no_message_is_answered_and_has_no_effect(folder: Path, junk: bytes) -> None:
    """talk, law 3; before a Hello it ends the connection"""
    async with served(folder) as place:
        caller = await Raw.come(place)
        await caller.greet()
        caller.writer.write(frame(junk))
        answer = await caller.hear()
        assert isinstance(answer, No)
        assert answer.refusal is Refusal.UNREADABLE
        wanted = brought(grant())
        good = Ask(9, DocumentKind.GRANT, wanted.claims)
        caller.writer.write(frame(messages.encode_from_server(good)))
        made = await caller.hear()
        assert isinstance(made, messages.Made)
        assert made.number == 9
        caller.writer.close()
        early = await Raw.come(place)
        early.writer.write(frame(junk))
        assert isinstance(await early.hear(), No)
        assert await early.hear() is None
        early.writer.close()
    assert lines(folder) == [("grant", "user hubsite")]


async def test_a_frame_that_is_too_long_ends_its_connection_alone(folder: Path) -> None:
    """talk, law 2"""
    async with served(folder) as place:
        for is_greeted, size in ((False, 513), (True, ASK_BYTES + 1), (True, 0)):
            caller = await Raw.come(place)
            if is_greeted:
                await caller.greet()
            caller.writer.write(size.to_bytes(4, "big") + b"x")
            assert await caller.hear() is None
            caller.writer.close()
        await place.ask(lambda client: client.check())


async def test_who_says_nothing_has_gone(folder: Path) -> None:
    """talk, law 1"""
    times = TalkTimes(first_seconds=0.05, silent_seconds=0.05)
    async with served(folder, times=times) as place:
        silent = await Raw.come(place)
        assert await silent.hear() is None
        greeted = await Raw.come(place)
        await greeted.greet()
        greeted.writer.write(b"\x00\x00")
        assert await greeted.hear() is None
        for one in (silent, greeted):
            one.writer.close()


async def test_one_connection_too_many_comes_again(folder: Path) -> None:
    """talk, law 6; client, law 2"""
    async with served(folder, connections_max=1) as place:
        first = await Raw.come(place)
        await first.greet()
        second = await Raw.come(place)
        refused = await second.hear()
        assert isinstance(refused, No)
        assert refused.refusal is Refusal.PACE
        second.writer.close()
        for milliseconds in range(5, 65, 2):  # so that the time is over at any step
            with pytest.raises(LinkError, match=r"too long|timed out"):
                await asyncio.to_thread(place.client(seconds=milliseconds / 1000).check)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(place.ask(lambda client: client.grant(grant(), KEY)))
            await asyncio.sleep(0)
            first.writer.close()
        assert asked.result()


async def test_connections_have_a_ceiling_whoever_makes_them(folder: Path) -> None:
    """ports, law 1"""
    async with served(folder, connections_max=2 * WAITING_MAX) as place:
        callers = [await Raw.come(place) for _ in range(WAITING_MAX)]
        for caller in callers:
            await caller.greet()
        one_more = await Raw.come(place)
        assert await one_more.hear() is None
        for caller in (*callers, one_more):
            caller.writer.close()
        await place.heard.of("too many connections")


async def test_each_caller_has_its_pace_and_policies_their_own(folder: Path) -> None:
    """talk, law 4"""
    never = 1 / 86_400
    times = TalkTimes(asks=Rate(2, never), policies=Rate(1, never))
    async with served(folder, times=times) as place:
        await place.ask(lambda client: client.policy(policy(7)))
        with pytest.raises(RefusedError) as found:
            await place.ask(lambda client: client.policy(policy(8)))
        assert found.value.refusal is Refusal.PACE
        for _ in range(2):
            await place.ask(lambda client: client.grant(grant(), KEY))
        with pytest.raises(RefusedError, match="too many at once"):
            await place.ask(lambda client: client.grant(grant(), KEY))
    assert [word for word, _ in lines(folder)] == ["policy", "grant", "grant"]


async def test_many_at_once_are_all_signed(folder: Path) -> None:
    async with served(folder) as place, asyncio.TaskGroup() as group:
        asked = [
            group.create_task(place.ask(lambda client: client.grant(grant(), KEY)))
            for _ in range(40)
        ]
    assert all(task.result() for task in asked)
    assert len(lines(folder)) == 40


@given(st.lists(st.sampled_from([Ask(1, kind, b"x") for kind in DocumentKind] + [Hello()])))
def test_what_came_together_keeps_its_order_and_a_policy_is_alone(
    asked: list[Ask | Hello],
) -> None:
    """talk, law 5"""
    groups = list(groups_of(asked))  # type: ignore[arg-type]
    assert [one for some in groups for one in some] == asked
    for some in groups:
        assert some
        is_light = [isinstance(one, Ask) and one.kind is not DocumentKind.POLICY for one in some]
        assert len(some) == 1 or all(is_light)


async def test_many_grants_are_asked_for_on_one_connection(folder: Path) -> None:
    """What is refused has its refusal in its place, and holds up none of the others."""
    never = 1 / 86_400
    wanted = [grant(), grant(expires=NOW + 10**9), grant(credential="carl"), grant()]
    async with served(folder, times=TalkTimes(asks=Rate(3, never)), connections_max=1) as place:
        found = await place.ask(lambda client: client.grants([(one, KEY) for one in wanted]))
    made = [one for one in found if isinstance(one, bytes)]
    assert [isinstance(one, bytes) for one in found] == [True, False, True, False]
    assert [one.refusal for one in found if isinstance(one, RefusedError)] == [
        Refusal.RULE,
        Refusal.PACE,
    ]
    read = [grants.read_grant(one, ISSUER.verify_key, SITE) for one in made]
    assert read == [wanted[0], wanted[2]]
    assert len(lines(folder)) == 2


async def test_the_longest_grants_are_asked_for_ahead_without_anybody_waiting(
    folder: Path,
) -> None:
    """client, ASKED_AHEAD: nobody reads what the other has sent while he sends himself."""
    rules = tuple(Rule(127, 1000, 1440 - at) for at in range(grants.RULES_AN_ENTRY))
    access = tuple(Access(2**15 - at, 1, rules) for at in range(grants.ACCESS_ENTRIES))
    wanted = [(grant(access=access), KEY)] * (2 * ASKED_AHEAD)
    async with served(folder) as place:
        found = await place.ask(lambda client: client.grants(wanted))
    assert all(isinstance(one, bytes) for one in found)


async def test_of_many_grants_each_is_told_that_the_signer_is_away(folder: Path) -> None:
    async with served(folder) as place:
        client = place.client(seconds=1)
    found = await asyncio.to_thread(client.grants, [(grant(), KEY)] * 3)
    assert [type(one) for one in found] == [LinkError] * 3


class Other:
    """A signer that signs something else, or with another key."""

    site = SITE
    issuer = ISSUER.verify_key
    policy_version = 0

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def sign(self, asked: Ask, asker: str) -> bytes:
        return self._answer

    def close(self) -> None:
        pass


@pytest.mark.parametrize("key", [ISSUER, make_key()], ids=["other-grant", "other-key"])
async def test_the_client_believes_only_what_it_asked_for(folder: Path, key: SigningKey) -> None:
    """client, law 1"""
    other = grants.issue_grant(key, grant(credential="mallory"), KEY)
    async with served(folder, Other(other)) as place:  # type: ignore[arg-type]
        with pytest.raises(SignatureError):
            await place.ask(lambda client: client.grant(grant(), KEY))
        found = await place.ask(lambda client: client.grants([(grant(), KEY)] * 2))
        assert [type(one) for one in found] == [SignatureError] * 2


async def test_after_a_lost_answer_the_client_hears_which_version_is_next(folder: Path) -> None:
    """the signed policy never came: the same version with another moment would be refused"""
    signer = make_signer(folder, limits=replace(LIMITS, policy_version=5))
    async with served(folder, signer) as place:
        assert await place.ask(lambda client: client.policy_version()) == 5
        signer.sign(ask(policy(6)), "x")
        with pytest.raises(RefusedError, match="no next one"):
            await place.ask(lambda client: client.policy(policy(6, issued_at=NOW + 1)))
        following = await place.ask(lambda client: client.policy_version()) + 1
        await place.ask(lambda client: client.policy(policy(following, issued_at=NOW + 1)))
        assert place.client().issuer == ISSUER.verify_key


def test_what_is_too_long_is_refused_before_it_is_sent(folder: Path) -> None:
    """a signer that is not there is not even asked"""
    client = SigningClient(by_socket(folder / "nobody"), SITE, ISSUER.verify_key)
    with pytest.raises(RefusedError, match="bytes") as found:
        client.certificate(certificate(), bytes(PAYLOAD_BYTES))
    assert found.value.refusal is Refusal.UNREADABLE


async def test_the_client_notices_another_signer(folder: Path) -> None:
    """client, law 3"""
    async with served(folder) as place:
        for site, issuer in (("other", ISSUER), (SITE, make_key())):
            client = SigningClient(by_socket(place.path), site, issuer.verify_key)
            with pytest.raises(TrustError, match="another key"):
                await asyncio.to_thread(client.check)
    with pytest.raises(LinkError, match="away"):
        place.client().check()


@pytest.mark.parametrize("said", [b"\xff", cbor.encode([3, 0, b"x"]), cbor.encode([1, "", b"", 0])])
async def test_the_client_reads_no_junk(folder: Path, said: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frame(said))
        await writer.drain()
        writer.close()

    path = folder / "j"
    async with await asyncio.start_unix_server(answer, path):
        client = SigningClient(by_socket(path), SITE, ISSUER.verify_key)
        with pytest.raises(TrustError):
            await asyncio.to_thread(client.check)


def test_the_client_waits_no_longer_than_its_seconds(folder: Path) -> None:
    """client, law 2: a signer that takes the connection and says nothing"""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(folder / "d"))
        deaf.listen(1)
        client = SigningClient(by_socket(folder / "d"), SITE, ISSUER.verify_key, seconds=0.1)
        with pytest.raises(LinkError):
            client.check()


def test_a_list_that_names_too_much_is_refused_by_the_signer_itself(folder: Path) -> None:
    signer = make_signer(folder)
    signer.sign(ask(policy(7)), "x")
    wanted = listed(7, "anna")
    with pytest.raises(RefusedError, match="does not revoke"):
        signer.sign(Ask(1, wanted.kind, wanted.claims), "x")
    signer.close()


def test_limits_of_a_new_site_allow_little(folder: Path) -> None:
    """issuing.limits, its law"""
    signer: Signer = make_signer(folder, limits=replace(LIMITS, operators={}, mandates=()))
    for made in (policy(7, operators=LIMITS.operators), mandate()):
        with pytest.raises(RefusedError):
            signer.sign(ask(made), "x")
    signer.close()
