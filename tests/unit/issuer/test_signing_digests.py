"""The digests of cards and of phones that others make: by who has the site's card key, alone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hubcore.access.cards import CardNumber, card_digest, public_key_digest
from hubcore.issuing.cardasks import CardAsk, Shown, of_card
from hubcore.issuing.words import Refusal, RefusedError
from hubcore.pkoc.certificate import uncompressed
from hubcore.timing.pace import Rate
from hubgateway.issuer.signing.talk import DIGESTS, TalkTimes
from tests.unit.issuer.issuingdesk import LIMITS
from tests.unit.issuer.signingplace import CARD_KEY, make_signer, served
from tests.unit.issuer.test_signing_service import lines

pytestmark = pytest.mark.once

POINT = uncompressed(ec.generate_private_key(ec.SECP256R1()).public_key())
KEY = CardAsk(1, Shown.KEY, POINT)
NUMBER = CardNumber.of_facility(12, 34567)
CARD = CardAsk(1, Shown.CARD, of_card(NUMBER))
SEEN = CardAsk(2, Shown.RECORDED, bytes(range(16)))


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="sig"))  # a socket's path has 107 bytes at most
    yield made
    shutil.rmtree(made)


async def test_a_digest_is_made_with_the_card_key_and_leaves_no_line(folder: Path) -> None:
    """signer, law 6; cardasks, law 4"""
    async with served(folder) as place:
        made = await place.ask(lambda client: client.digest(KEY))
        assert made == public_key_digest(CARD_KEY, POINT)
        assert await place.ask(lambda client: client.digest(SEEN)) == SEEN.data
        of_number = await place.ask(lambda client: client.digest(CARD))
        assert of_number == card_digest(CARD_KEY, NUMBER.bits, NUMBER.data)
    assert lines(folder) == []


@pytest.mark.parametrize(
    ("most", "count", "why"),
    [(0, 1, "allow no card"), (2, 3, "3 cards .* allow 2")],
)
async def test_more_than_the_limits_say_have_no_digest(
    folder: Path, most: int, count: int, why: str
) -> None:
    """cardasks, laws 2 and 3"""
    signer = make_signer(folder, limits=replace(LIMITS, cards=most))
    async with served(folder, signer) as place:
        for ask in (KEY, SEEN, CARD):
            with pytest.raises(RefusedError, match=why) as found:
                await place.ask(lambda client, ask=ask: client.digest(replace(ask, count=count)))
            assert found.value.refusal is Refusal.RULE
        await place.heard.of("no digest is made")


async def test_who_asks_for_many_digests_is_told_to_wait(folder: Path) -> None:
    """talk, law 8"""
    times = TalkTimes(digests=Rate(burst=1, per_second=0.0001))
    async with served(folder, times=times) as place:
        await place.ask(lambda client: client.digest(KEY))
        with pytest.raises(RefusedError, match="one a minute") as found:
            await place.ask(lambda client: client.digest(KEY))
        assert found.value.refusal is Refusal.PACE


def test_nobody_tries_all_numbers_of_a_facility_within_a_month() -> None:
    """talk, law 8: 65,536 numbers of one facility, and all the pace gives"""
    month = 30 * 86_400
    assert DIGESTS.burst + DIGESTS.per_second * month < 1 << 16
