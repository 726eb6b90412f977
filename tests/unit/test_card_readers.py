"""A card, or a card and a PIN, opens a door as a phone does: claim, decide, record, move.

A case names the law of `hubd.readers.attendant` that it shows.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hubcore.access.cards import PIN_DIGITS, Card, PinMatch
from hubcore.access.claim import Strength
from hubcore.access.lockout import LockoutRule
from hubcore.access.words import Mode
from hubcore.checks import CheckId
from hubcore.errors import AuditError, StoreError
from hubcore.evidence.records import RecordKind
from hubcore.ports.reader import CardRead, ReaderFault, Sign
from hubd.readers.attendant import AGAIN_SECONDS, EVENTS_MAX, PIN_SECONDS, SEEN_MAX
from hubd.readers.attending import FIRST_PAUSE_SECONDS, INSTALL_ASKED, KEY_INSTALLED
from hubd.readers.cards import Cards, HeldCard
from hubd.readers.pinpad import PAD_SECONDS, PinPad
from hubd.recording import record_now
from tests.readers_desk import (
    BITS,
    DURESS,
    NUMBER,
    OTHER,
    PIN,
    STRANGE,
    ReadersDesk,
    make_card,
    with_readers,
)

WRONG = "000000"


def test_a_card_opens_and_leaves_one_record() -> None:  # law 1
    async def play(desk: ReadersDesk) -> None:
        await desk.hold()
        assert desk.signs() == [Sign.GRANTED]
        assert desk.hub.strikes == 1
        (record,) = desk.accesses()
        assert record.detail["path"] == "card"
        assert record.detail["asker"] == "c1"
        assert record.detail["point"] == 1
        assert desk.granted_at_sign == [1]

    with_readers(play)


def test_each_record_names_the_reader_and_a_phones_names_none() -> None:
    """Two readers stand at one access point: the point alone would not tell which it was."""

    async def play(desk: ReadersDesk) -> None:
        await desk.hold(reader="front")
        await desk.later()
        await desk.hold(reader="back")
        await desk.hold(STRANGE, reader="back")
        desk.demands_pin = True
        await desk.later()
        for reader, number in (("back", NUMBER), ("front", OTHER)):
            await desk.hold(number, reader=reader)
            await desk.press(f"{WRONG}#", reader=reader)
        of_phone = replace(
            desk.claims[0],
            op=bytes(16),
            strength=Strength.FULL,
            arrived=desk.clock.monotonic(),
            reader=None,
        )
        await desk.hub.unlock.present(of_phone, lambda: True)
        found = [(one.detail["why"], one.detail.get("reader")) for one in desk.accesses()]
        assert found == [
            (None, "front"),
            (None, "back"),
            ("unknown-credential", "back"),
            ("wrong-pin", "back"),
            ("wrong-pin", "front"),
            ("factor-needed", None),
        ]
        assert {one.detail["point"] for one in desk.accesses()} == {1}

    with_readers(play)


@pytest.mark.parametrize("mode", [Mode.LOCKDOWN, Mode.NO_ENTRY])
def test_what_denies_a_phone_denies_a_card(mode: Mode) -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.hub.policy.modes[1] = mode
        await desk.hold()
        desk.hub.policy.modes.clear()
        desk.hub.policy.credentials.add("c2")
        await desk.hold(OTHER)
        assert desk.signs() == [Sign.DENIED, Sign.DENIED]
        assert desk.hub.strikes == 0
        assert desk.whys()[1] == "credential-revoked"

    with_readers(play)


def test_a_card_of_another_door_is_denied_there() -> None:
    async def play(desk: ReadersDesk) -> None:
        await desk.hold(reader="lab")
        assert desk.whys() == ["no-grant"]
        assert desk.signs("lab") == [Sign.DENIED]

    with_readers(play)


def test_an_unknown_card_is_denied_and_recorded_by_its_digest_alone() -> None:
    async def play(desk: ReadersDesk) -> None:
        await desk.hold(STRANGE)
        (record,) = desk.accesses()
        assert record.detail["why"] == "unknown-credential"
        assert record.detail["asker"] == "reader/front"
        assert desk.signs() == [Sign.DENIED]
        assert not desk.claims

    with_readers(play)


def test_what_a_reader_read_and_what_was_refused_there_is_counted() -> None:
    """A card of nobody never becomes a claim, and counts all the same."""

    async def play(desk: ReadersDesk) -> None:
        await desk.hold(STRANGE)
        await desk.hold(STRANGE, reader="lab")
        document = desk.measured.document()
        assert document["cards"] == [
            {"reader": "front", "count": 1},
            {"reader": "back", "count": 0},
            {"reader": "lab", "count": 1},
        ]
        assert document["reader_decisions"] == [
            {"reader": reader, "why": "unknown-credential", "count": 1}
            for reader in ("front", "lab")
        ]

    with_readers(play)


def test_a_card_and_its_pin_leave_one_granted_record() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        assert desk.signs() == [Sign.WAIT]
        assert not desk.accesses()
        await desk.press(f"{PIN}#")
        assert desk.signs() == [Sign.WAIT, Sign.GRANTED]
        (record,) = desk.accesses()
        assert (record.detail["path"], record.detail["why"]) == ("card-pin", None)
        assert desk.hub.strikes == 1

    with_readers(play)


def test_a_cleared_mistake_is_none() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        await desk.press(f"12*{PIN}#")
        assert desk.signs()[-1] is Sign.GRANTED

    with_readers(play)


def test_a_pin_may_be_pressed_before_the_card() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.press(f"{PIN}#")
        await desk.hold()
        assert desk.signs() == [Sign.GRANTED]
        await desk.later()
        await desk.press(f"{PIN}#")
        await desk.later(PAD_SECONDS + 1)
        await desk.hold()
        assert desk.signs()[-1] is Sign.WAIT

    with_readers(play)


def test_a_duress_pin_opens_and_says_so_to_the_claim_alone() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        await desk.press(f"{DURESS}#")
        assert desk.signs() == [Sign.WAIT, Sign.GRANTED]
        assert [claim.duress for claim in desk.claims] == [True]
        assert desk.granted()[0].detail["duress"] is True
        desk.demands_pin = False
        await desk.later()
        await desk.press(f"{DURESS}#")
        await desk.hold()  # heard also where no PIN is demanded (law 6)
        assert [claim.duress for claim in desk.claims] == [True, True]

    with_readers(play)


def test_where_no_pin_is_demanded_a_wrong_one_changes_nothing() -> None:  # law 6
    async def play(desk: ReadersDesk) -> None:
        await desk.press(f"{WRONG}#")
        await desk.hold()
        assert desk.whys() == [None]
        assert [claim.strength for claim in desk.claims] == [Strength.CARD]

    with_readers(play)


def test_a_wrong_pin_is_denied_recorded_and_counted() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        failures = LockoutRule().failures
        for _ in range(failures):
            await desk.hold()
            await desk.press(f"{WRONG}#")
            await desk.later()
        assert desk.whys() == ["wrong-pin"] * failures
        await desk.hold()
        await desk.hold(reader="back")  # the same access point: the count is the same
        assert desk.whys()[failures:] == ["too-many-attempts"] * 2
        assert desk.signs()[-1] is Sign.DENIED
        await desk.hold(OTHER)
        await desk.press(f"{PIN}#")  # another's card is not locked out
        assert desk.whys()[-1] is None
        assert desk.hub.strikes == 1
        await desk.later(LockoutRule().locked_seconds)
        await desk.hold()
        await desk.press(f"{PIN}#")
        assert desk.whys()[-1] is None

    with_readers(play)


def test_the_count_of_wrong_pins_outlasts_a_restart() -> None:
    """`hubd.readers.cards`, law 4."""

    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        rule = LockoutRule()
        for _ in range(rule.failures - 1):
            await wrong(desk)
        again = await restarted(desk)
        assert not again.is_locked(held(desk))
        assert again.try_pin(held(desk), WRONG) is PinMatch.WRONG
        assert again.is_locked(held(desk))
        await wrong(desk)
        again = await restarted(desk)
        assert again.try_pin(held(desk), PIN) is None
        assert not again.is_locked(held(desk, make_card(OTHER, "c2")))
        assert not again.is_locked(replace(held(desk), access_point=2))
        await desk.later(rule.locked_seconds)
        assert not again.is_locked(held(desk))
        assert again.try_pin(held(desk), PIN) is PinMatch.RIGHT
        assert not (await restarted(desk)).is_locked(held(desk))

    with_readers(play)


def test_a_right_pin_ends_the_count_over_a_restart_as_well() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        for _ in range(LockoutRule().failures - 1):
            await wrong(desk)
        await desk.hold()
        await desk.press(f"{PIN}#")
        again = await restarted(desk)
        assert again.try_pin(held(desk), WRONG) is PinMatch.WRONG
        assert not again.is_locked(held(desk))

    with_readers(play)


async def wrong(desk: ReadersDesk) -> None:
    await desk.hold()
    await desk.press(f"{WRONG}#")
    await desk.later()


async def restarted(desk: ReadersDesk) -> Cards:
    """Return the cards of a start after all that was recorded."""
    log = desk.hub.log
    await log.append(record_now(desk.clock, RecordKind.STARTED, {}))
    cards = desk.cards()
    cards.remember(log.newest(log.last() + 1, 1000))
    return cards


def held(desk: ReadersDesk, card: Card | None = None) -> HeldCard:
    return HeldCard(card or make_card(), "front", 1, desk.clock.monotonic())


@pytest.mark.parametrize("pin", ["1", "123", "#", "0" * PIN_DIGITS[-1]])
def test_no_pin_at_all_is_no_way_in(pin: str) -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        await desk.press(f"{pin}#")
        await desk.later(PIN_SECONDS)
        assert desk.hub.strikes == 0
        assert Sign.GRANTED not in desk.signs()
        assert desk.whys()[0] in ("wrong-pin", "factor-needed")

    with_readers(play)


def test_who_gives_no_pin_leaves_one_denial() -> None:  # law 4
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        await desk.press("40")
        await desk.later(PIN_SECONDS)
        assert desk.whys() == ["factor-needed"]
        assert desk.signs() == [Sign.WAIT, Sign.DENIED]
        await desk.press(f"{PIN}#")
        assert desk.hub.strikes == 0

    with_readers(play)


def test_a_second_card_ends_the_wait_for_the_first_ones_pin() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        await desk.hold(OTHER)
        await desk.press(f"{PIN}#")
        assert desk.whys() == ["factor-needed", "wrong-pin"] or desk.whys() == [
            "factor-needed",
            None,
        ]
        assert desk.accesses()[1].detail["asker"] == "c2"

    with_readers(play)


def test_a_pin_does_not_make_good_what_else_is_wrong() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        desk.hub.policy.modes[1] = Mode.LOCKDOWN
        await desk.hold()
        assert desk.signs() == [Sign.DENIED]

    with_readers(play)


def test_a_policy_that_changes_while_the_pin_is_pressed_counts() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        desk.hub.policy.credentials.add("c1")
        await desk.press(f"{PIN}#")
        assert desk.whys() == ["credential-revoked"]
        assert desk.hub.strikes == 0

    with_readers(play)


def test_a_card_that_stays_at_the_reader_is_one_card() -> None:  # law 3
    async def play(desk: ReadersDesk) -> None:
        for _ in range(30):
            await desk.hold()
            await desk.later(AGAIN_SECONDS / 4)
        assert desk.whys() == [None]
        await desk.later(AGAIN_SECONDS)
        await desk.hold()
        assert desk.whys() == [None, None]

    with_readers(play)


def test_a_wallet_with_several_cards_counts_each_once() -> None:  # law 3
    async def play(desk: ReadersDesk) -> None:
        for _ in range(10):
            for number in (NUMBER, OTHER, STRANGE):
                await desk.hold(number)
        assert len(desk.accesses()) == 3 <= SEEN_MAX

    with_readers(play)


def test_a_reader_that_is_lost_forgets_what_it_told() -> None:  # law 5
    async def play(desk: ReadersDesk) -> None:
        desk.demands_pin = True
        await desk.hold()
        await desk.press("402")
        await desk.lose("front", ReaderFault.NOT_PROVEN)
        assert desk.whys() == ["factor-needed"]
        desk.readers.end("front", ReaderFault.NOT_PROVEN)
        await desk.press("913#")
        assert desk.hub.strikes == 0

    with_readers(play)


def test_nothing_moves_for_a_reader_that_is_lost_meanwhile() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.hub.log.hold()
        await desk.hold()
        await desk.lose("front", ReaderFault.GONE)
        desk.hub.log.move_on()
        await desk.settle()
        assert desk.hub.strikes == 0
        assert Sign.GRANTED not in desk.signs()

    with_readers(play)


def test_a_reader_that_is_lost_in_another_way_is_still_lost() -> None:  # attending, law 2
    async def play(desk: ReadersDesk) -> None:
        desk.hub.log.hold()
        await desk.hold()
        desk.readers.begin("front", ReaderFault.GONE)
        desk.readers.begin("front", ReaderFault.NOT_PROVEN)
        desk.readers.end("front", ReaderFault.GONE)
        desk.hub.log.move_on()
        await desk.settle()
        assert desk.hub.strikes == 0

    with_readers(play)


def test_so_many_reads_wait_and_no_more() -> None:  # law 2
    async def play(desk: ReadersDesk) -> None:
        for number in range(10 * EVENTS_MAX):
            data = number.to_bytes(4, "big") + b"\x00"
            read = CardRead(reader="front", bits=BITS, data=data, at=desk.clock.monotonic())
            desk.attending.card(read)
        await desk.settle()
        assert len(desk.accesses()) == EVENTS_MAX

    with_readers(play)


def test_no_yes_without_a_durable_record() -> None:  # law 1
    async def play(desk: ReadersDesk) -> None:
        desk.hub.log.failing = AuditError("the disk is full")
        await desk.hold()
        assert desk.signs() == [Sign.DENIED]
        assert desk.hub.strikes == 0

    with_readers(play)


def test_a_policy_that_cannot_be_read_opens_nothing() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.hub.policy.failing = StoreError("the policy cannot be read")
        await desk.hold()
        assert desk.whys() == ["door-fault"]
        assert desk.signs() == [Sign.DENIED]

    with_readers(play)


def test_a_bug_at_one_reader_is_told_without_its_words_and_ends_nothing() -> None:  # law 7
    async def play(desk: ReadersDesk) -> None:
        desk.failing = RuntimeError(PIN)
        await desk.hold()
        desk.failing = None
        await desk.later()
        await desk.hold()
        confused = [facts for event, facts in desk.hub.told if event == "reader_confused"]
        assert confused == [{"reader": "front", "why": "RuntimeError"}]
        assert desk.signs() == [Sign.DENIED, Sign.GRANTED]

    with_readers(play)


def test_a_waiting_second_person_is_asked_to_wait() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.demand_two()
        await desk.hold()
        assert desk.signs() == [Sign.WAIT]
        assert desk.hub.strikes == 0
        await desk.hold(OTHER)
        assert desk.signs() == [Sign.WAIT, Sign.GRANTED]
        assert desk.whys() == ["second-person-needed", None]

    with_readers(play)


CHECKS_OF = {
    ReaderFault.GONE: CheckId.READER_GONE,
    ReaderFault.NOT_PROVEN: CheckId.READER_NOT_PROVEN,
    ReaderFault.TAMPERED: CheckId.READER_TAMPERED,
    ReaderFault.NO_POWER: CheckId.READER_NO_POWER,
    ReaderFault.LINE_GONE: CheckId.READER_LINE_GONE,
    ReaderFault.CHATTERS: CheckId.READER_CHATTERS,
}


@pytest.mark.parametrize("fault", ReaderFault)
def test_a_fault_is_a_problem_and_two_records(fault: ReaderFault) -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.readers.begin("front", fault)
        desk.readers.begin("back", fault)
        await desk.settle()
        (problem,) = desk.health.problems()
        assert problem.check is CHECKS_OF[fault]
        assert "back, front" in problem.what
        desk.readers.end("front", fault)
        desk.readers.end("back", fault)
        await desk.settle()
        assert not desk.health.problems()
        told = [r.detail for r in desk.hub.records() if r.kind is RecordKind.READER]
        assert [(one["reader"], one["stands"]) for one in told] == [
            ("front", True),
            ("back", True),
            ("front", False),
            ("back", False),
        ]
        assert {one["what"] for one in told} == {str(fault)}

    with_readers(play)


def test_a_loose_wire_is_summed_and_its_last_word_is_recorded() -> None:
    async def play(desk: ReadersDesk) -> None:
        for _ in range(100):
            desk.readers.begin("front", ReaderFault.GONE)
            await desk.settle()
            desk.readers.end("front", ReaderFault.GONE)
            await desk.settle()
        records = [r.detail for r in desk.hub.records() if r.kind is RecordKind.READER]
        assert len(records) < 30
        await desk.later(200)
        records = [r.detail for r in desk.hub.records() if r.kind is RecordKind.READER]
        assert len(records) < 30
        assert records[-1]["stands"] is False
        assert sum(int(one.get("count") or 1) for one in records) == 200

    with_readers(play)


def test_a_fault_that_the_disk_refuses_is_recorded_later() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.hub.log.failing = AuditError("full")
        desk.readers.begin("front", ReaderFault.TAMPERED)
        await desk.settle()
        desk.hub.log.failing = None
        await desk.later(10)
        (record,) = (r for r in desk.hub.records() if r.kind is RecordKind.READER)
        assert record.detail["what"] == "tampered"

    with_readers(play)


@pytest.mark.parametrize("error", [RuntimeError("unforeseen"), None])
def test_a_driver_that_ends_is_begun_again(error: Exception | None) -> None:  # attending, law 3
    async def play(desk: ReadersDesk) -> None:
        desk.readers.die(error)
        await desk.settle()
        assert "front" in str(desk.health.problems())
        await desk.hold()
        assert desk.claims == []
        await desk.later(FIRST_PAUSE_SECONDS + 0.1)
        assert "front" in str(desk.health.problems()), "it has not lived long yet"
        await desk.later(FIRST_PAUSE_SECONDS)
        assert not desk.health.problems()
        await desk.hold()
        assert len(desk.claims) == 1

    with_readers(play)


def test_a_reader_that_its_driver_calls_gone_stays_gone_when_the_driver_is_back() -> None:
    async def play(desk: ReadersDesk) -> None:
        desk.readers.die(RuntimeError("unforeseen"))
        await desk.later(FIRST_PAUSE_SECONDS + 0.1)
        desk.readers.begin("front", ReaderFault.GONE)
        await desk.later(FIRST_PAUSE_SECONDS + 0.1)
        (problem,) = desk.health.problems()
        assert "front" in problem.what

    with_readers(play)


def test_a_key_is_recorded_before_it_is_given() -> None:
    async def play(desk: ReadersDesk) -> None:
        await desk.attending.install_key("front", "technician", 1000)
        asked, done = (r.detail for r in desk.hub.records() if r.kind is RecordKind.READER)
        assert asked == {
            "reader": "front",
            "what": INSTALL_ASKED,
            "vouched_by": "technician",
            "uid": 1000,
        }
        assert done == {
            "reader": "front",
            "what": KEY_INSTALLED,
            "vouched_by": "technician",
            "uid": 1000,
        }
        assert desk.readers.given == [("install", "front")]
        desk.hub.log.failing = AuditError("full")
        with pytest.raises(AuditError):
            await desk.attending.renew_key("front", "technician", 1000)
        assert desk.readers.given == [("install", "front")]

    with_readers(play)


def test_a_reader_that_is_not_configured_is_not_listened_to() -> None:
    async def play(desk: ReadersDesk) -> None:
        await desk.hold(reader="cellar")
        await desk.press("1", reader="cellar")
        await desk.lose("cellar", ReaderFault.GONE)
        assert not desk.hub.records()
        assert not desk.health.problems()

    with_readers(play)


def test_the_pinpad_keeps_one_pin_and_shows_none() -> None:
    pad = PinPad()
    pad.press("1234#567", 1.0)
    assert pad.take(1.0) is None  # a second one has begun
    pad.press("8#", 2.0)
    assert "5678" not in repr(pad)
    assert pad.take(2.0) == "5678"
    assert pad.take(2.0) is None
    pad.press("1234#", 3.0)
    assert pad.take(3.0 + PAD_SECONDS + 0.1) is None
    pad.press("1" * PIN_DIGITS[-1], 20.0)
    assert pad.take(20.0) == "1" * PIN_DIGITS[-1]


def test_each_reader_fault_has_its_check() -> None:
    async def play(desk: ReadersDesk) -> None:
        await desk.lose("front", ReaderFault.NOT_PROVEN)
        (problem,) = desk.health.problems()
        assert problem.check is CheckId.READER_NOT_PROVEN
        assert "hubctl reader NAME install" in problem.remedy

    with_readers(play)


def test_the_osdp_driver_is_not_imported_without_a_reader() -> None:
    """A hub without readers needs no libosdp."""
    program = (
        "import sys; import hubd.serve, hubd.wiring.hardware; "
        "print([m for m in sys.modules if m.startswith(('drivers.osdp', 'osdp'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == "[]"
