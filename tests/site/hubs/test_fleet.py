"""How hubs are, from a real engine's buckets to the pages."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as drawing
from hypothesis import strategies as st

from hubcore.backend.uplink import codec
from hubcore.backend.uplink.words import Cause
from hubcore.codec import cbor
from hubcore.codec.tlsauthority import begin_authority
from hubcore.errors import ConfigError
from hubgateway.engine.buckets import Kept
from hubgateway.rules import names
from hubsim.site.documents import make_key, pem
from hubsite import config, wiring
from hubsite.fleet import words
from hubsite.fleet.judging import BUCKETS, VALUE_BYTES, Judge
from hubsite.fleet.mirror import Mirror
from hubsite.fleet.models import HubState
from hubsite.fleet.reading import BATCHES_A_TURN, Reading
from hubsite.hubs.engine import Changed
from tests.site.fleetbench import (
    AUTHORITY,
    DAY,
    ISSUER,
    NOW,
    certificate,
    fleet,
    in_thread,
    tls_certificate,
)
from tests.site.server import make_folder
from tests.unit.test_uplink_messages import ON_TRIAL

pytestmark = pytest.mark.once

JUDGE = Judge("acme", ISSUER.verify_key, AUTHORITY.document)
STRANGER_KEY = make_key()
STRANGER = begin_authority("acme", STRANGER_KEY, NOW - 10 * DAY)


async def test_pages_say_how_each_hub_is(tmp_path: Path) -> None:
    async with fleet(tmp_path) as site:
        await site.known("front-1", "yard-1")
        await site.enrol("front-1", 1)
        await site.enrol("yard-1", 2)
        put = site.buckets.put
        await put(names.SESSIONS_BUCKET, "front-1", b"gate 0102")
        await put(names.CERTIFICATES_BUCKET, "front-1", certificate("front-1", 90))
        await put(names.TLS_BUCKET, "front-1", tls_certificate("front-1", 90))
        await put(names.UPDATES_BUCKET, "front-1", codec.encode(ON_TRIAL))
        await put(names.STOPS_BUCKET, "yard-1", b"TAIL_CUT its newest are missing")
        await put(names.CERTIFICATES_BUCKET, "yard-1", certificate("yard-1", 20))
        await put(names.TLS_BUCKET, "yard-1", tls_certificate("yard-1", -1))
        await site.bench.client.publish(names.PRESENT, cbor.encode(["front-1"]))
        await site.shows("/hubs", "connected since", "yard-1")
        runs = f"{ON_TRIAL.version} in "
        front = await site.shows("/hubs/of/front-1", "connected since", "1, 2", runs, "on trial")
        assert "hubissuer renew" not in front
        yard = await site.shows("/hubs/of/yard-1", "It is stopped, TAIL_CUT")
        assert "its newest are missing" in yard
        assert "nats kv del hub_stops yard-1" in yard
        assert "Its certificate ends on" in yard
        assert "Its certificate for TLS has ended" in yard
        assert yard.count("hubissuer renew yard-1") == 2

        await put(names.CERTIFICATES_BUCKET, "yard-1", certificate("yard-1", 300))
        _, revision = await site.buckets.at(names.STOPS_BUCKET, "yard-1")
        await site.buckets.swap(names.STOPS_BUCKET, "yard-1", None, revision)
        await site.shows("/hubs/of/yard-1", "has ended", without="It is stopped")
        assert "Its certificate ends" not in await site.text("/hubs/of/yard-1")

        await put(names.KEYS_BUCKET, f"{2:064x}", b"revoked yard-1")
        await site.shows("/hubs/of/yard-1", "not read yet")
        assert await in_thread(HubState.objects.count) == 1

        await site.bench.server.kill()
        await site.shows("/hubs/of/front-1", "the engine at ", "1, 2", "nobody knows")
        assert await in_thread(HubState.objects.count) == 1
        assert (await in_thread(lambda: site.browser.get("/hubs/of/nobody"))).status == 404


async def test_junk_in_every_bucket_is_told_and_hides_no_hub(tmp_path: Path) -> None:
    async with fleet(tmp_path) as site:
        await site.known("front-1", "yard-1")
        await site.enrol("front-1", 1)
        await site.enrol("yard-1", 2)
        await site.buckets.put(names.KEYS_BUCKET, f"{3:064x}", b"\xff enrolled <script>")
        for bucket in BUCKETS:
            await site.buckets.put(bucket, "front-1", b"\xff<script>" * 2)
            await site.buckets.put(bucket, "no.hub", b"x")
        await site.buckets.put(names.CERTIFICATES_BUCKET, "yard-1", certificate("yard-1", 90))
        await site.bench.client.publish(names.PRESENT, b"\xff")
        await site.shows("/hubs", "tells in a gateway's place what cannot be read")
        await site.shows(
            "/hubs/of/front-1",
            "Its certificate at the engine counts for nothing",
            "Its certificate for TLS at the engine counts for nothing",
            "It is stopped, FORK",
            "what it said cannot be read",
        )
        await site.shows("/hubs/of/yard-1", "1, 2")
        assert await in_thread(HubState.objects.count) == 2


@pytest.mark.parametrize(
    ("bucket", "value", "why"),
    [
        (names.CERTIFICATES_BUCKET, certificate("front-2", 9), "of another site or hub"),
        (names.CERTIFICATES_BUCKET, certificate("front-1", 9, "other"), "of another site or hub"),
        (names.CERTIFICATES_BUCKET, certificate("front-1", 9, issuer=STRANGER_KEY), "issuer"),
        (names.CERTIFICATES_BUCKET, bytes(VALUE_BYTES + 1), "more than"),
        (names.TLS_BUCKET, tls_certificate("front-2", 9), "TLS authority"),
        (names.TLS_BUCKET, tls_certificate("front-1", 9, STRANGER), "TLS authority"),
        (names.TLS_BUCKET, bytes(VALUE_BYTES + 1), "more than"),
    ],
)
def test_a_certificate_of_somebody_else_counts_for_nothing(
    bucket: str, value: bytes, why: str
) -> None:
    """judging, laws 1 and 2"""
    health = JUDGE.health("front-1", {bucket: Kept(value, 1.0)})
    assert why in health.certificate_wrong + health.tls_wrong
    assert health.certificate_ends is health.tls_ends is None


@drawing(deadline=None)
@given(st.dictionaries(st.sampled_from(BUCKETS), st.binary(max_size=80)), st.booleans())
def test_no_value_of_a_bucket_raises_anything(said: dict[str, bytes], is_long: bool) -> None:
    """judging, law 3; words, law 1"""
    more = bytes(VALUE_BYTES) if is_long else b""
    kept = {bucket: Kept(value + more, 1.0) for bucket, value in said.items()}
    health = JUDGE.health("front-1", kept)
    state = HubState(hub="front-1", **{name: getattr(health, name) for name in health.__slots__})
    for column in HubState._meta.fields:
        value = getattr(state, column.name)
        assert column.max_length is None or len(value) <= column.max_length
    shown = words.shown(state, 0.0, has_authority=True)
    assert bool(health.stop) is (names.STOPS_BUCKET in said)
    assert (names.CERTIFICATES_BUCKET in said) is bool(health.certificate_wrong)
    assert all(one.isprintable() for one in shown.troubles)


def test_a_bucket_has_a_ceiling_and_hubs_are_those_of_the_keys_alone() -> None:
    """mirror, laws 1 to 3"""
    mirror = Mirror(keys_max=2)
    rows = [b"enrolled a", b"enrolled b", b"enrolled c", b"revoked d", b"junk"]
    mirror.take_keys(Changed(str(n), Kept(row, 0.0)) for n, row in enumerate(rows))
    assert mirror.hubs() == {"a", "b"}
    assert mirror.left_out == 1
    mirror.take_keys([Changed("0", Kept(b"retired a", 0.0)), Changed("1", None)])
    assert mirror.hubs() == frozenset()
    long = Kept(bytes(VALUE_BYTES + 9), 0.0)
    bucket = names.STOPS_BUCKET
    assert mirror.take(bucket, [Changed(hub, long) for hub in ("a", "b", "c", "no.hub")]) == {
        "a",
        "b",
        "c",
    }
    assert mirror.left_out == 2
    assert len(mirror.said("a")[bucket].value) == VALUE_BYTES + 1
    assert mirror.said("c") == {}
    mirror.take(bucket, [Changed("a", None)])
    assert mirror.said("a") == {}


def test_each_cause_of_a_stop_has_its_words() -> None:
    assert set(words.STOPS) == set(Cause)


def test_a_wrong_authority_refuses_the_start_and_ends_what_was_begun(tmp_path: Path) -> None:
    file = make_folder(tmp_path / "s")
    (file.parent / "issuer.key").write_bytes(pem(ISSUER))
    (file.parent / "issuer.key").chmod(0o600)
    engine = '[engine]\nservers = ["nats://127.0.0.1:9"]\ntls_authority = "none.pem"\n'
    file.write_text(f'issuer_key = "issuer.key"\n{file.read_text()}{engine}')
    with pytest.raises(ConfigError, match=r"none\.pem"):
        wiring.begin(config.load(file))
    assert "has ended" in settings.HUBSITE_RUNNING.publisher.problem
    assert settings.HUBSITE_RUNNING.parts == ()


class Endless:
    """An engine whose buckets never end, or end after some batches."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked = 0

    async def changes(self, _bucket: str, place: int) -> tuple[list[Changed], int]:
        self.asked += 1
        return [], min(place + 1, self.most)


async def test_a_turn_reads_so_much_of_a_bucket_and_the_next_one_goes_on() -> None:
    """reading, laws 1 and 2"""
    buckets = len(BUCKETS) + 2
    engine = Endless(BATCHES_A_TURN + 1)
    made = Reading(JUDGE)
    assert await made.news(engine) is None  # type: ignore[arg-type]
    assert engine.asked == buckets * BATCHES_A_TURN
    news = await made.news(engine)  # type: ignore[arg-type]
    assert news is not None
    assert engine.asked == buckets * (BATCHES_A_TURN + 2)
    ended = Endless(9)
    assert await Reading(JUDGE, is_stopped=lambda: True).news(ended) is None  # type: ignore[arg-type]
    assert ended.asked == 0
