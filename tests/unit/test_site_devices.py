"""Commands of devices by a site: their ceiling, their proof, and what a hub does with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubcore.access.precedence import DoorOrder
from hubcore.access.words import HubName
from hubcore.backend.uplink.words import OrderOutcome
from hubcore.bridge.ceilings.devices import (
    DEVICES_MAX,
    VERBS,
    DeviceCeiling,
    read_ceiling,
    write_ceiling,
)
from hubcore.bridge.mandate import Mandate, Use, issue_mandate, new_mandate, prove_mandate
from hubcore.bridge.site.order import (
    DoorsOrder,
    Ordered,
    SiteOrder,
    issue_site_order,
    prove_site_order,
)
from hubcore.bridge.site.orders import SiteVerdict
from hubcore.bridge.words import DOCUMENT_BYTES
from hubcore.codec import cbor, cose, cwt
from hubcore.device.command import LEVELS_OF, Command, CommandOutcome, Verb
from hubcore.device.remote import OPENS_DOORS
from hubcore.errors import ProofError, StoreError
from hubcore.evidence.facts import Fact
from hubcore.evidence.records import RecordKind
from hubcore.policy.policy import Operator, OperatorRight
from hubcore.ports.clock import ClockState
from hubd.orders.site.wording import ANSWERS, ASKED_BEFORE, NO_SUCH_DEVICE
from tests.facts_fit import misfits_of_record
from tests.unit.test_site_orders_taken import DAY, HUB, ISSUER, KEYS, NOW, Site
from tests.unit.test_site_orders_taken import mandate as without_devices

ALL = DeviceCeiling(VERBS)
TYPE = "application/hub-site-order+cwt"
CLOSE = Command("shutter", Verb.CLOSE)


def mandate(ceiling: DeviceCeiling | None = ALL, version: int = 1) -> Mandate:
    return Mandate(
        site="site-1",
        holder="office",
        use=Use.ORDERS,
        version=version,
        key=KEYS[version].verify_key,
        not_before=NOW - DAY,
        expires=NOW + 90 * DAY,
        devices=ceiling,
    )


def order(what: Ordered, hub: str | None = "hub-1") -> SiteOrder:
    return SiteOrder(bytes(16), hub, 1000 * NOW, NOW + 300, "boss", what)


# The ceiling, in the mandate.

IDS = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)


@pytest.mark.once
@given(
    st.sets(st.sampled_from(VERBS), min_size=1),
    st.none() | st.lists(IDS, min_size=1, max_size=DEVICES_MAX, unique=True),
)
def test_a_mandate_says_what_a_site_may_order_of_devices(
    verbs: set[Verb], devices: list[str] | None
) -> None:
    """devices, law 1"""
    ceiling = DeviceCeiling(tuple(sorted(verbs)), None if devices is None else tuple(devices))
    said = mandate(ceiling)
    document = issue_mandate(said, ISSUER)
    assert len(document) <= DOCUMENT_BYTES
    assert prove_mandate(document, "site-1", ISSUER.verify_key) == said


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [[], None],
        [[7], []],
        [[7, 7], None],
        [[7, 6], None],
        [["close"], None],
        [[True], None],
        [[1.0], None],
        [[11], None],
        *([[int(verb)], None] for verb in sorted(OPENS_DOORS)),
        [[7], ["shutter", "shutter"]],
        [[7], ["Shutter"]],
        [[7], [7]],
        [[7], "shutter"],
        [[7], [f"shutter-{number}" for number in range(DEVICES_MAX + 1)]],
        [[7], None, None],
    ],
)
def test_a_ceiling_out_of_shape_is_none(value: Any) -> None:
    """devices, law 2: nor has one a verb that opens an entrance"""
    with pytest.raises(ProofError):
        read_ceiling(value)


def test_only_a_key_for_orders_has_devices() -> None:
    """mandate, law 5"""
    for use in Use:
        made = new_mandate(
            site="site-1",
            holder="office",
            use=use,
            key=KEYS[1].verify_key,
            not_before=NOW,
            expires=NOW + DAY,
            now_ms=1,
            devices=ALL,
        )
        assert (made.devices is not None) is (use is Use.ORDERS)
        forced = issue_mandate(replace(made, devices=ALL), ISSUER)
        if use is Use.ORDERS:
            assert prove_mandate(forced, "site-1", ISSUER.verify_key).devices == ALL
            continue
        with pytest.raises(ProofError):
            prove_mandate(forced, "site-1", ISSUER.verify_key)


# The order.

COMMANDS = [
    Command(device, verb, LEVELS_OF[verb][-1] if verb in LEVELS_OF else None)
    for device in ("shutter", "a" * 32)
    for verb in VERBS
]


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_an_order_says_what_the_site_signed(command: Command) -> None:
    said = order(command)
    document = issue_site_order(said, "site-1", KEYS[1])
    assert len(document) <= DOCUMENT_BYTES
    assert prove_site_order(document, HUB, mandate()) == said
    assert said.until is None
    assert not said.opens
    assert said.needs_clock


@pytest.mark.parametrize(
    ("ceiling", "command"),
    [
        (None, CLOSE),
        (DeviceCeiling((Verb.OPEN,)), CLOSE),
        (DeviceCeiling((Verb.CLOSE,), ("light",)), CLOSE),
    ],
)
def test_what_is_above_the_ceiling_is_not_read(
    ceiling: DeviceCeiling | None, command: Command
) -> None:
    """devices, law 1: a mandate without one allows nothing"""
    document = issue_site_order(order(command), "site-1", KEYS[1])
    with pytest.raises(ProofError, match="mandate"):
        prove_site_order(document, HUB, mandate(ceiling))


@pytest.mark.parametrize(
    "made",
    [
        order(CLOSE, hub=None),
        *(order(Command("bolt", verb, 5 if verb is Verb.PULSE else None)) for verb in OPENS_DOORS),
    ],
    ids=str,
)
def test_no_site_signs_for_all_hubs_or_for_an_entrance(made: SiteOrder) -> None:
    """devices, law 2; order, law 8"""
    with pytest.raises(ProofError):
        issue_site_order(made, "site-1", KEYS[1])


@pytest.mark.parametrize(
    "value",
    [
        [5, "shutter", 7],
        [5, "shutter", 3, None],  # unlock
        [5, "shutter", 1, 5],  # pulse
        [5, "Shutter", 7, None],
        [5, 7, 7, None],
        [5, "shutter", 99, None],
        [5, "shutter", "close", None],
        [5, "shutter", 7, 5],
        [5, "shutter", 9, None],
        [5, "shutter", 9, 101],
        [5, "shutter", 9, "50"],
        [5, "shutter", 7, None, None],
    ],
)
def test_a_command_out_of_shape_is_not_read(value: list[object]) -> None:
    good = issue_site_order(order(CLOSE), "site-1", KEYS[1])
    claims = cbor.decode(cbor.decode(good, frozenset({cose.SIGN1_TAG})).value[2])
    claims[-65540] = value
    wrong = cwt.issue(TYPE, claims, KEYS[1], KEYS[1].verify_key.kid)
    with pytest.raises(ProofError):
        prove_site_order(wrong, HUB, mandate())


# A hub.


@pytest.fixture
async def site() -> Site:
    made = Site()
    await made.site.take_mandate(issue_mandate(mandate(), ISSUER))
    return made


def commands_recorded(site: Site) -> list[dict[str, object]]:
    found = site.of(RecordKind.COMMAND)
    for record in found:
        assert misfits_of_record(record.kind, record.detail) == []
    return [dict(record.detail) for record in found]


async def test_a_device_is_told_once_the_record_is_durable_and_hears_of_nobody(
    site: Site,
) -> None:
    """taker, law 4; devices, law 3"""
    before = len(site.log.stored)
    result = await site.say(Command("shutter", Verb.SET_LEVEL, 30))
    assert (result.outcome, result.detail) == (OrderOutcome.TAKEN, "")
    assert site.performer.told == [Command("shutter", Verb.SET_LEVEL, 30)]
    assert site.performer.records_before == [before + 1]
    asked, done = commands_recorded(site)
    assert (asked[Fact.GIVEN_BY], asked[Fact.ASKER]) == ("site", "boss")
    assert (asked[Fact.TARGET], asked[Fact.VERB], asked[Fact.LEVEL]) == ("shutter", 9, 30)
    assert asked[Fact.ALLOWED] is True
    assert done[Fact.OUTCOMES] == "shutter=confirmed"


async def test_a_command_is_done_once_whatever_comes_between(site: Site) -> None:
    """taker, law 4"""
    said = site.made(CLOSE)
    await site.give_signed(said)
    assert (await site.give_signed(said)).outcome is OrderOutcome.TAKEN
    site.restart()
    again = await site.give_signed(said)
    assert (again.outcome, again.detail) == ASKED_BEFORE
    assert site.performer.told == [CLOSE]


async def test_of_two_the_one_that_was_issued_later_holds(site: Site) -> None:
    first = site.made(Command("shutter", Verb.OPEN))
    later = site.made(Command("shutter", Verb.STOP))
    assert (await site.give_signed(later)).outcome is OrderOutcome.TAKEN
    overtaken = await site.give_signed(first)
    assert (overtaken.outcome, overtaken.detail) == ANSWERS[SiteVerdict.OVERTAKEN]
    assert [one.verb for one in site.performer.told] == [Verb.STOP]
    assert (await site.say(Command("light", Verb.ON))).outcome is OrderOutcome.TAKEN


WRONG: dict[str, tuple[Callable[[Site], SiteOrder], OrderOutcome]] = {
    "unknown": (lambda site: site.made(Command("boiler", Verb.OFF)), OrderOutcome.REFUSED),
    "late": (lambda site: site.made(CLOSE, issued_ms=1, expires_at=300), OrderOutcome.LATE),
    "early": (
        lambda site: site.made(CLOSE, issued_ms=1000 * (NOW + 90), expires_at=NOW + 300),
        OrderOutcome.REFUSED,
    ),
    "nobody": (lambda site: site.made(CLOSE, by="nobody"), OrderOutcome.REFUSED),
    "not its verb": (lambda site: site.made(Command("light", Verb.CLOSE)), OrderOutcome.REFUSED),
    "an entrance": (lambda site: site.made(Command("gate", Verb.OPEN)), OrderOutcome.REFUSED),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_must_not_be_done_is_refused_with_a_record(site: Site, name: str) -> None:
    make, outcome = WRONG[name]
    before = len(site.log.stored)
    said = make(site)
    if name == "late":
        said = replace(said, issued_ms=1000 * (NOW - 700), expires_at=NOW - 400)
    result = await site.give_signed(said)
    assert result.outcome is outcome, result.detail
    assert site.performer.told == []
    assert len(site.log.stored) == before + 1
    if name == "unknown":
        assert result.detail == NO_SUCH_DEVICE
    if name == "an entrance":
        assert "never as a device" in result.detail
    for record in (*site.of(RecordKind.ORDER), *site.of(RecordKind.COMMAND)):
        assert misfits_of_record(record.kind, record.detail) == []


async def test_an_order_for_another_hub_proves_nothing(site: Site) -> None:
    document = issue_site_order(site.made(CLOSE, hub="hub-2"), "site-1", KEYS[1])
    with pytest.raises(ProofError):
        await site.site.take(document)
    with pytest.raises(ProofError):
        prove_site_order(document, HubName("site-2", "hub-2"), mandate())
    assert site.performer.told == []


async def test_without_a_ceiling_for_devices_none_moves() -> None:
    """devices, law 1"""
    site = Site()
    await site.site.take_mandate(without_devices())
    with pytest.raises(ProofError):
        await site.say(CLOSE)
    assert site.performer.told == []
    assert site.of(RecordKind.COMMAND) == []


async def test_a_newer_mandate_ends_what_a_site_may_order_of_devices(site: Site) -> None:
    await site.site.take_mandate(without_devices(2))
    with pytest.raises(ProofError):
        await site.say(CLOSE, version=2)
    with pytest.raises(ProofError):
        await site.say(CLOSE, version=1)
    assert site.performer.told == []


async def test_without_a_trusted_clock_nothing_moves(site: Site) -> None:
    """orders, law 3: nobody could tell an old order"""
    site.clock.trust = ClockState.BEHIND_RECORDS
    result = await site.say(CLOSE)
    assert (result.outcome, result.detail) == ANSWERS[SiteVerdict.NO_CLOCK]
    assert site.performer.told == []


async def test_what_cannot_be_kept_or_recorded_is_not_done(site: Site) -> None:
    site.file.failing = StoreError("full")
    assert (await site.say(CLOSE)).outcome is OrderOutcome.FAILED
    assert site.performer.told == []


async def test_a_right_to_doors_is_none_to_devices(site: Site) -> None:
    site.policy.operators["locker"] = Operator(OperatorRight.LOCK_DOWN)
    assert (await site.say(CLOSE, by="locker")).outcome is OrderOutcome.REFUSED
    site.policy.operators["mover"] = Operator(OperatorRight.COMMAND)
    assert (await site.say(CLOSE, by="mover")).outcome is OrderOutcome.TAKEN
    lockdown = DoorsOrder(DoorOrder.LOCKDOWN, None, site.in_an_hour())
    assert (await site.say(lockdown, by="mover")).outcome is OrderOutcome.REFUSED


@pytest.mark.parametrize(
    ("outcome", "answer"),
    [
        (CommandOutcome.CONFIRMED, OrderOutcome.TAKEN),
        (CommandOutcome.FAILED, OrderOutcome.FAILED),
        (CommandOutcome.TIMEOUT, OrderOutcome.FAILED),
        (CommandOutcome.UNKNOWN, OrderOutcome.FAILED),
    ],
)
async def test_only_the_devices_own_proof_is_taken(
    site: Site, outcome: CommandOutcome, answer: OrderOutcome
) -> None:
    site.performer.outcome = outcome
    result = await site.say(CLOSE)
    assert result.outcome is answer
    assert bool(result.detail) is (answer is not OrderOutcome.TAKEN)


async def test_a_site_that_commands_and_commands_costs_a_bounded_number_of_records(
    site: Site,
) -> None:
    results = [await site.say(Command("light", Verb.ON)) for _ in range(200)]
    assert results[-1].outcome is OrderOutcome.BUSY
    assert len(site.performer.told) <= 16
    assert len(site.log.stored) < 2 * 60 + 40


def test_a_ceiling_survives_its_form() -> None:
    for ceiling in (ALL, DeviceCeiling((Verb.ON, Verb.OFF), ("light", "fan"))):
        assert read_ceiling(cbor.decode(cbor.encode(write_ceiling(ceiling)))) == ceiling
