"""A phone whose answer was lost goes on, and a stolen token still ends its family."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from hypothesis import HealthCheck, given
from hypothesis import settings as drawn
from hypothesis import strategies as st
from oauth2_provider.models import get_access_token_model, get_refresh_token_model

from hubsite.accounts.gate import Gate
from hubsite.hubs.office import Office
from hubsite.hubs.signer import FileSigner
from hubsite.phones import families, lost
from hubsite.phones.joining import invite
from hubsite.register import models
from tests.site.phones.test_web_phones import ISSUER, WebPhone

pytestmark = pytest.mark.once

SIXTY_DAYS = timedelta(days=60)


@pytest.fixture(autouse=True)
def office() -> None:
    settings.HUBSITE_RUNNING.begin(Office("acme", FileSigner(ISSUER)), None)


def joined() -> WebPhone:
    settings.HUBSITE_RUNNING.gate = Gate()
    phone = WebPhone()
    phone.connect(f"/join/{invite('olga', models.Person.objects.create(name='Anna'))}")
    assert phone.give_key()[0] == 200
    return phone


def holds(phone: WebPhone) -> WebPhone:
    """Somebody else who has what a phone has."""
    return WebPhone(access=phone.access, refresh=phone.refresh)


def is_let_in(phone: WebPhone) -> bool:
    return phone.ask("grant")[0] != 401


def live() -> int:
    return int(get_refresh_token_model().objects.filter(revoked=None).count())


def test_a_lost_answer_ends_nothing_however_often() -> None:
    """lost, laws 1 and 3"""
    phone = joined()
    kept = phone.refresh
    lost_ones = []
    for _ in range(3):
        assert phone.renew(kept)[0] == 200
        assert live() == 1
        lost_ones.append(holds(phone))
    assert is_let_in(phone)
    assert not any(is_let_in(one) for one in lost_ones[:-1]), "what came before is over"
    assert phone.renew()[0] == 200


@pytest.mark.parametrize("what", ["access", "refresh"])
def test_once_something_of_the_answer_was_used_the_old_token_ends_the_family(what: str) -> None:
    """lost, law 2"""
    phone = joined()
    stolen = phone.refresh
    assert phone.renew()[0] == 200
    if what == "access":
        assert is_let_in(phone)
    else:
        assert phone.renew()[0] == 200
    assert WebPhone().renew(stolen)[0] == 400
    assert not is_let_in(phone)
    assert phone.renew()[0] == 400
    assert live() == 0


def test_a_thief_who_is_first_is_found_by_the_owners_next_use() -> None:
    """lost, law 2"""
    phone = joined()
    thief = holds(phone)
    assert phone.renew()[0] == 200, "its owner has the answer, and has not used it yet"
    assert thief.renew()[0] == 200
    assert phone.renew()[0] == 400
    assert not is_let_in(thief)
    assert thief.renew()[0] == 400


def test_an_answer_may_be_missed_for_as_long_as_a_token_lasts() -> None:
    """lost, law 4"""
    phone = joined()
    kept = phone.refresh
    assert phone.renew()[0] == 200
    rows = get_access_token_model().objects
    rows.update(expires=datetime.now(UTC) - SIXTY_DAYS + timedelta(minutes=1))
    assert phone.renew(kept)[0] == 200
    rows.update(expires=datetime.now(UTC) - SIXTY_DAYS - timedelta(minutes=1))
    assert phone.renew(kept)[0] == 400


def test_a_revocation_counts_for_a_lost_answer_too() -> None:
    phone = joined()
    kept = phone.refresh
    assert phone.renew()[0] == 200
    asked = {"client_id": "webphone", "token": phone.refresh}
    response = phone.client.post("/oauth/revoke", asked, secure=True, SERVER_NAME="localhost")
    assert response.status_code == 200
    assert phone.renew(kept)[0] == 400, "who gave a token back has had it"


def test_two_who_use_one_token_at_the_same_moment_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """families, law 3: what was checked is checked again while the row is held."""
    phone = joined()
    kept = phone.refresh
    other = holds(phone)

    def meanwhile(used: Any) -> None:
        monkeypatch.setattr(families, "drop_lost_answer", lost.drop_lost_answer)
        assert other.renew(kept)[0] == 200
        assert other.ask_framework("grant")[0] != 401, "it is in this transaction, too"
        lost.drop_lost_answer(used)

    monkeypatch.setattr(families, "drop_lost_answer", meanwhile)
    assert phone.renew(kept)[0] == 400
    assert not is_let_in(other)
    assert live() == 0


def test_an_access_token_that_is_over_amid_its_own_call_is_refused() -> None:
    """lost, law 2: a call and an old token used again, at the same moment."""
    phone = joined()
    kept = phone.refresh
    assert phone.renew()[0] == 200
    mine = get_access_token_model().objects.get(source_refresh_token__isnull=False)
    assert phone.renew(kept)[0] == 200
    assert not lost.arrived(mine)


OWNER = 0
THIEF = 1
STEPS = st.lists(
    st.tuples(st.sampled_from([OWNER, THIEF]), st.sampled_from(["renew", "lose", "use", "copy"])),
    max_size=9,
)


class Told:
    """What the laws say of one family: the pair that counts, and the token that brought it."""

    def __init__(self, phone: WebPhone) -> None:
        self.refresh = phone.refresh
        self.access = phone.access
        self.brought_by = ""
        self.is_over = False

    def renews(self, refresh: str) -> bool:
        self.is_over = self.is_over or refresh not in (self.refresh, self.brought_by)
        return not self.is_over

    def renewed(self, by: str, got: dict[str, Any]) -> None:
        self.refresh = got["refresh_token"]
        self.access = got["access_token"]
        self.brought_by = by

    def uses(self, access: str) -> bool:
        if self.is_over or access != self.access:
            return False
        self.brought_by = ""
        return True


@drawn(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_in_every_order_an_owner_goes_on_alone_and_two_end_it(
    steps: list[tuple[int, str]],
) -> None:
    """lost, laws 1 to 3"""
    owner = joined()
    told = Told(owner)
    both = [owner, holds(owner)]
    before = live()
    for who, what in steps:
        phone = both[who]
        if what == "copy":
            both[THIEF] = holds(both[OWNER])
            continue
        if what == "use":
            assert is_let_in(phone) == told.uses(phone.access)
            continue
        kept = holds(phone)
        may = told.renews(kept.refresh)
        status, got = phone.renew()
        assert (status == 200) == may
        if may:
            told.renewed(kept.refresh, got)
        if what == "lose":
            phone.refresh = kept.refresh
            phone.access = kept.access
        assert live() == before - told.is_over
    if all(who == OWNER for who, what in steps if what != "copy"):
        assert not told.is_over
        assert owner.renew()[0] == 200
