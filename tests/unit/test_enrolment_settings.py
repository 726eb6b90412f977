"""A hub's configuration of a backend's answer, whatever the answer says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubcore.backend.enrolment.messages import Enrolled, EnrolledDoor
from hubcore.errors import ConfigError, FrameError
from hubd.config.file import parse
from hubd.enrolment.settings import CREDENTIALS, DoorLines, Line, text_of
from tests.unit.test_enrolment_messages import all_enrolled

PLACE = Path("/etc/hubd/hubd.toml")
ODD = (
    "../../etc/passwd",
    '"',
    "\\",
    '"""',
    "\\u0000",
    "[[doors]]",
    "#",
    "$(reboot)",
    "%s",
    "é",
    "",
)
odd = st.one_of(st.sampled_from(ODD), st.text(max_size=64))
hosts = st.one_of(odd, st.sampled_from(["a", "*", "[::1]", "-rf", "..", "::", "a b", "a;b"]))
ports = st.one_of(odd, st.integers(-1, 70_000).map(str))
endpoints = st.builds("{}://{}:{}".format, st.sampled_from(["tcp", "ipc", ""]), hosts, ports)


@settings(deadline=None)
@given(all_enrolled, odd, odd, odd, st.lists(endpoints, min_size=1, max_size=4), st.data())
def test_an_answer_says_what_it_says_or_is_a_sentence_and_no_more(
    sound: Enrolled, zone: str, hub: str, name: str, places: list[str], data: st.DataObject
) -> None:
    changes = {
        "time_zone": zone,
        "hub": hub,
        "endpoints": tuple(places),
    }
    which = data.draw(st.sets(st.sampled_from(sorted(changes))))
    try:
        doors = (EnrolledDoor(sound.doors[0].access_point, name),)
        answer = replace(
            sound,
            endpoints=("tcp://backend.example:4505",),
            doors=doors,
        )
        answer = replace(answer, **{key: changes[key] for key in which})
    except FrameError:
        return  # no message
    try:
        text = text_of(answer, {}, PLACE)
    except ConfigError as error:
        _is_a_sentence_about_no_file(error)
        return
    config = parse(text, PLACE, CREDENTIALS)
    assert (config.hub.id, config.hub.site) == (answer.hub, answer.site)
    assert str(config.hub.time_zone) == answer.time_zone
    assert config.backend is not None
    assert tuple(config.backend.places) == answer.endpoints
    (door,) = config.doors
    assert [point.number for point in door.access_points] == [answer.doors[0].access_point]
    assert door.name == name


def _is_a_sentence_about_no_file(error: ConfigError) -> None:
    assert str(PLACE) not in str(error)
    assert "Nothing was changed" in str(error)


@pytest.mark.parametrize(
    "zone", ["../../etc/passwd", "/etc/passwd", "Europe/../UTC", "Europe", "."]
)
def test_no_time_zone_is_a_path(zone: str) -> None:
    answer = _sound(time_zone=zone)
    with pytest.raises(ConfigError, match="time_zone: expected an IANA time zone"):
        text_of(answer, {}, PLACE)


def test_lines_that_clash_are_told_without_a_file_that_is_not_there() -> None:
    both = DoorLines(strike=Line("gpiochip0", "17"), dps=Line("gpiochip0", "17"))
    with pytest.raises(ConfigError, match="Name other lines") as refused:
        text_of(_sound(), {1: both}, PLACE)
    assert str(PLACE) not in str(refused.value)


def _sound(**changes: object) -> Enrolled:
    sound = Enrolled(
        site="acme",
        hub="hub-a",
        time_zone="Europe/Berlin",
        certificate=b"certificate",
        issuer=b"issuer",
        tls_certificate=b"t",
        tls_authority=b"a",
        endpoints=("tcp://backend.example:4505",),
        server_keys=(bytes(32),),
        beacon=b"",
        card_key=b"",
        doors=(EnrolledDoor(1, "Front door"),),
    )
    return replace(sound, **changes)  # type: ignore[arg-type]
