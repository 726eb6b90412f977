"""hubcore.pkoc.reader and turn, met by a phone that shares no code with them."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.errors import FrameError, ProofError, SequenceError
from hubcore.pkoc.certificate import uncompressed
from hubcore.pkoc.gatt import HELLO_BYTES_MAX
from hubcore.pkoc.reader import (
    PHASE_SECONDS,
    Effect,
    Leave,
    Proven,
    ReaderLink,
    ReaderPhase,
    Refused,
    Say,
)
from hubcore.pkoc.turn import ANSWERS_MAX, TURN_SECONDS
from hubsim.pkoc.channel import key_of, seal, shared_key, sign
from hubsim.pkoc.elements import read_long, write_long
from hubsim.pkoc.habits import ANDROID, IPHONE, VALIDATED, Habits
from hubsim.pkoc.phone import Answer
from hubsim.pkoc.trust import UntrustedError
from tests.unit.pkoc.bench import WALL, Visit, key, reader, said, visited, written

pytestmark = pytest.mark.once

DENIED = b"\x04\x01\x02"
GRANTED = b"\x04\x01\x03"


@pytest.mark.parametrize(
    ("with_certificate", "habits"),
    [(True, VALIDATED), (False, VALIDATED), (False, ANDROID), (False, IPHONE)],
    ids=["2.0.1", "2.0.1 by the site's key", "android", "iphone"],
)
def test_a_phone_proves_its_whole_key_and_is_answered(
    with_certificate: bool, habits: Habits
) -> None:
    one = reader(with_certificate)
    own = key()
    phone = one.phone(own, habits)
    visit = visited(one, phone)
    effects = visit.link.frame(visit.second, 0.2)
    assert effects == [Proven(uncompressed(own.public_key()))]
    assert visit.link.decided(True, 0.3) == [Say(GRANTED)]
    phone.heard(GRANTED)
    assert phone.answer is Answer.GRANTED


def test_a_denial_is_said_and_nothing_more_is_taken() -> None:
    one = reader()
    visit = visited(one, one.phone())
    visit.link.frame(visit.second, 0.2)
    assert visit.link.decided(False, 0.3) == [Say(DENIED)]
    assert visit.link.decided(True, 0.4) == []
    (refused, leave) = visit.link.frame(visit.second, 0.5)
    assert isinstance(refused, Refused)
    assert isinstance(refused.cause, SequenceError)
    assert leave == Leave()


def test_the_first_message_has_the_certificate_before_the_site_and_one_notification_holds_it() -> (
    None
):
    one = reader()
    hello = one.side.hello(one.turn())
    kinds = [element.kind for element in read_long(hello)]
    assert kinds == [0x0C, 0x02, 0x0D, 0x10, 0x0E]
    assert len(hello) == HELLO_BYTES_MAX


def test_a_whole_visit_takes_no_more_bytes_than_promised() -> None:
    """docs/pkoc.md, "Messages"."""
    one = reader()
    visit = visited(one, one.phone())
    signature = 66
    assert HELLO_BYTES_MAX + len(visit.first) + signature + len(visit.second) + len(GRANTED) == 527


# Failed proofs, law 4.


def _failed(visit: Visit, second: bytes) -> ProofError:
    effects = visit.link.frame(second, 0.2)
    assert effects[0] == Say(DENIED)
    assert isinstance(effects[1], Refused)
    assert effects[2:] == [Leave()]
    assert visit.link.phase is ReaderPhase.OVER
    assert isinstance(effects[1].cause, ProofError)
    return effects[1].cause


def _failed_unsaid(effects: list[Effect]) -> None:
    """What fails before the reader has proven itself is answered to nobody."""
    (refused, leave) = effects
    assert isinstance(refused, Refused)
    assert isinstance(refused.cause, ProofError)
    assert leave == Leave()


def _sealed(shared: bytes, public: bytes, signature: bytes) -> bytes:
    inside = write_long(0x01, public) + write_long(0x03, signature)
    return write_long(0x40, seal(shared, 1, inside))


def _shared(visit: Visit, own: ec.EllipticCurvePrivateKey) -> bytes:
    return shared_key(own, key_of(visit.turn.reader_key))


@pytest.mark.parametrize("at", [2, 3, 40, 100, -1])
def test_a_seal_with_one_bit_changed_proves_nothing(at: int) -> None:
    one = reader()
    visit = visited(one, one.phone())
    changed = bytearray(visit.second)
    changed[at if at != 2 else 5] ^= 1
    _failed(visit, bytes(changed))


def test_every_failed_proof_gets_the_same_answer() -> None:
    one = reader()
    answers = set[bytes]()
    for wrong in ("signature", "other key", "no key", "rubbish", "off the curve"):
        visit_key = key()
        turn = one.turn()
        link = ReaderLink(one.side, turn, 0.0)
        point = uncompressed(visit_key.public_key())
        link.frame(write_long(0x07, point), 0.1)
        visit = Visit(link, turn, b"", b"")
        shared = _shared(visit, visit_key)
        own = key()
        public = uncompressed(own.public_key())
        signature = sign(own, b"another message")
        inside = {
            "signature": write_long(1, public) + write_long(3, signature),
            "other key": write_long(1, uncompressed(key().public_key())) + write_long(3, signature),
            "no key": write_long(3, signature),
            "rubbish": b"\x00" * 40,
            "off the curve": write_long(1, b"\x04" + b"\x01" * 64) + write_long(3, signature),
        }[wrong]
        effects = link.frame(write_long(0x40, seal(shared, 1, inside)), 0.2)
        assert isinstance(effects[1], Refused)
        assert isinstance(effects[1].cause, ProofError), wrong
        answers.add(said(effects))
    assert answers == {DENIED}


def test_the_readers_own_signature_is_no_phones() -> None:
    """Both sides sign the same bytes: law 5."""
    one = reader()
    visit_key = key()
    turn = one.turn()
    link = ReaderLink(one.side, turn, 0.0)
    point = uncompressed(visit_key.public_key())
    (proof,) = read_long(said(link.frame(write_long(0x07, point), 0.1)))
    public = one.side.signing.private.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    visit = Visit(link, turn, b"", b"")
    reflected = _sealed(_shared(visit, visit_key), uncompressed(public), proof.value)
    cause = _failed(visit, reflected)
    assert "own key" in str(cause)


def test_the_readers_key_of_the_turn_sent_back_is_no_phones_key() -> None:
    one = reader()
    turn_key = key()
    turn = one.turn()
    turn = type(turn)(turn_key, 0.0)
    link = ReaderLink(one.side, turn, 0.0)
    effects = link.frame(write_long(0x07, uncompressed(turn_key.public_key())), 0.1)
    _failed_unsaid(effects)


def test_a_key_off_the_curve_is_refused() -> None:
    one = reader()
    link = ReaderLink(one.side, one.turn(), 0.0)
    effects = link.frame(write_long(0x07, b"\x04" + b"\x01" * 64), 0.1)
    _failed_unsaid(effects)
    assert link.phase is ReaderPhase.OVER


# What was recorded opens nothing: turn, laws 1 to 3.


def test_a_recorded_visit_opens_nothing_in_the_same_turn_nor_in_another() -> None:
    one = reader()
    visit = visited(one, one.phone())
    visit.link.frame(visit.second, 0.2)
    again = ReaderLink(one.side, visit.turn, 0.3)
    (refused, _) = again.frame(visit.first, 0.4)
    assert isinstance(refused, Refused)
    assert "was met" in str(refused.cause)
    later = ReaderLink(one.side, one.turn(), 0.5)
    later.frame(visit.first, 0.6)
    _failed(Visit(later, visit.turn, b"", b""), visit.second)


def test_several_phones_answer_one_hello_and_each_is_met_by_its_own_key() -> None:
    one = reader(at_once=2)
    turn = one.turn()
    keys = [key(), key()]
    visits = [visited(one, one.phone(own), turn=turn) for own in keys]
    for own, visit in zip(reversed(keys), reversed(visits), strict=True):
        assert visit.link.frame(visit.second, 0.2) == [Proven(uncompressed(own.public_key()))]


def test_a_turn_meets_a_number_of_phones_and_no_more() -> None:
    turn = reader().turn(now=10.0)
    for _ in range(ANSWERS_MAX):
        turn.meet(uncompressed(key().public_key()), 10.0)
    with pytest.raises(SequenceError, match="is over"):
        turn.meet(uncompressed(key().public_key()), 10.0)


def test_a_turn_ends_by_its_age_its_places_or_the_last_answer() -> None:  # turn, law 4
    for is_awaited in (True, False):
        turn = reader().turn(now=10.0)
        assert not turn.is_over(10.0 + TURN_SECONDS - 0.1, is_awaited)
        assert turn.is_over(10.0 + TURN_SECONDS, is_awaited)
    turn = reader().turn(now=10.0)
    turn.meet(uncompressed(key().public_key()), 10.0)
    assert not turn.is_over(10.0, is_awaited=True)
    assert turn.is_over(10.0, is_awaited=False)
    turn = reader().turn(now=10.0)
    for _ in range(ANSWERS_MAX):
        assert not turn.is_over(10.0, is_awaited=True)
        turn.meet(uncompressed(key().public_key()), 10.0)
    assert turn.is_over(10.0, is_awaited=True)


TURN_EVENTS = ("a phone", "all is quiet", "its time", "seven phones")


@pytest.mark.parametrize("order", list(itertools.permutations(TURN_EVENTS)))
def test_a_turn_that_is_over_meets_nobody_and_has_no_key_in_whatever_order_it_came_about(
    order: tuple[str, ...],
) -> None:
    """turn, law 4. Oracle: the events alone."""
    turn = reader().turn(now=10.0)
    now = 10.0
    met = 0
    was_over = False
    for event in order:
        if event == "its time":
            now += TURN_SECONDS
        phones = {"a phone": 1, "seven phones": ANSWERS_MAX - 1}.get(event, 0)
        is_quiet = event == "all is quiet" and met > 0
        was_over = was_over or is_quiet or now > 10.0
        assert turn.is_over(now, is_awaited=event != "all is quiet") is was_over
        for _ in range(phones):
            point = uncompressed(key().public_key())
            if was_over:
                with pytest.raises(SequenceError, match="is over"):
                    turn.meet(point, now)
            else:
                assert len(turn.meet(point, now)) == 32
                met += 1
        was_over = was_over or met == ANSWERS_MAX
        assert (turn._private is None) is was_over
    assert was_over
    assert turn.is_over(10.0, is_awaited=True)


# Out of turn, in the clear, too slow.


def test_a_key_in_the_clear_is_refused_without_an_answer() -> None:
    own = key()
    public = write_long(1, uncompressed(own.public_key()))
    for message in (public, public + write_long(3, b"\x00" * 64), write_long(3, b"\x00" * 64)):
        one = reader()
        link = ReaderLink(one.side, one.turn(), 0.0)
        (refused, leave) = link.frame(message, 0.1)
        assert isinstance(refused, Refused)
        assert isinstance(refused.cause, FrameError)
        assert "in the clear" in str(refused.cause)
        assert leave == Leave()


def test_a_proof_before_the_key_and_a_second_key_are_out_of_turn() -> None:
    one = reader()
    visit = visited(one, one.phone())
    early = ReaderLink(one.side, one.turn(), 0.0)
    for link, message in ((early, visit.second), (visit.link, visit.first)):
        (refused, _) = link.frame(message, 0.2)
        assert isinstance(refused, Refused)
        assert isinstance(refused.cause, SequenceError)


@pytest.mark.parametrize("phase", list(ReaderPhase))
def test_each_phase_has_its_time(phase: ReaderPhase) -> None:
    one = reader()
    visit = Visit(ReaderLink(one.side, one.turn(), 0.0), one.turn(), b"", b"")
    if phase is not ReaderPhase.MEETING:
        visit = visited(one, one.phone())
    if phase in (ReaderPhase.DECIDING, ReaderPhase.OVER):
        visit.link.frame(visit.second, 0.1)
    if phase is ReaderPhase.OVER:
        visit.link.decided(True, 0.1)
    assert visit.link.phase is phase
    seconds = PHASE_SECONDS[phase]
    assert visit.link.expired(seconds - 0.1) is None
    assert visit.link.expired(seconds + 0.2) is not None


# The budget, law 6.


def test_failed_proofs_use_the_budget_up_and_good_ones_do_not() -> None:
    one = reader(burst=3.0)
    for _ in range(10):
        visit = visited(one, one.phone())
        visit.link.frame(visit.second, 0.2)
        visit.link.decided(True, 0.3)
    for _ in range(3):
        visit = visited(one, one.phone())
        visit.link.frame(visit.second[:-1] + bytes([visit.second[-1] ^ 1]), 0.1)
    link = ReaderLink(one.side, one.turn(), 0.1)
    first = written(one.phone(), one.side.hello(one.turn()))
    (refused, _) = link.frame(first, 0.1)
    assert isinstance(refused, Refused)
    assert "too many" in str(refused.cause)


def test_a_place_comes_back_however_a_visit_ends() -> None:
    one = reader(at_once=1, burst=100.0)
    for end in ("closed", "failed", "decided", "out of turn"):
        visit = visited(one, one.phone())
        if end == "closed":
            visit.link.close(0.3)
        elif end == "failed":
            visit.link.frame(write_long(0x40, b"\x00" * 60), 0.3)
        elif end == "decided":
            visit.link.frame(visit.second, 0.3)
            visit.link.decided(False, 0.4)
        else:
            visit.link.frame(visit.first, 0.3)
        assert visit.link.phase is ReaderPhase.OVER
    visited(one, one.phone())


# What a phone of others refuses: docs/pkoc.md promises it to installers.


def test_a_phone_shows_its_key_to_no_reader_without_a_good_certificate() -> None:
    other = reader()
    cases = {
        "of another issuer": (reader().side, other.knows),
        "without one": (reader(with_certificate=False).side, other.knows),
    }
    late = reader(not_after=WALL - 1)
    early = reader(not_before=WALL + 1)
    revoked = dataclasses.replace(other.knows, revoked=other.knows.locations)
    cases |= {
        "ended": (late.side, late.knows),
        "not yet": (early.side, early.knows),
        "revoked": (other.side, revoked),
    }
    for side, knows in cases.values():
        one = dataclasses.replace(other, side=side, knows=knows)
        with pytest.raises(UntrustedError):
            one.phone().heard(side.hello(one.turn()))


def test_a_phone_passes_over_a_signature_of_another_key() -> None:
    one = reader()
    other = reader()
    phone = one.phone()
    turn = one.turn()
    first = written(phone, one.side.hello(turn))
    stranger = dataclasses.replace(one.side, signing=other.side.signing)
    wrong = said(ReaderLink(stranger, turn, 0.0).frame(first, 0.1))
    assert phone.heard(wrong) is None


def test_a_phone_leaves_a_reader_whose_key_is_none() -> None:
    one = reader()
    hello = bytearray(one.side.hello(one.turn()))
    hello[9:42] = bytes(33)
    with pytest.raises(UntrustedError, match="no point"):
        one.phone().heard(bytes(hello))
