"""Limits along one way add up to less than the limit around them: a table of ways, read from the
constants.

A way is what happens one after the other until somebody gives up waiting. Its steps are the longest
that each part of it may take; a step of several names is done at the same time, so that the longest
counts. Who adds a wait adds it here. Two limits are never equal: then nobody knows which of them
speaks.
"""

from __future__ import annotations

import configparser
import importlib
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from hubcore.backend.pace import Pace
from hubd.adapters.curve.timings import Timings
from hubd.adapters.curve.wire import CHUNK_BYTES, WireLimits
from hubd.adapters.curve.zmtp import SEALED_BYTES

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "systemd" / "hubd.service"


def unit(name: str) -> float:
    """Return a time of hubd.service, in seconds."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(UNIT.read_text(encoding="utf-8"))
    return float(parser["Service"][name])


def default(of: type[Any], name: str) -> float:
    """Return the default of a dataclass's field."""
    return float(next(field.default for field in fields(of) if field.name == name))


def seconds(name: str) -> float:
    """Return a constant by its dotted name, a unit's time as `unit:Name`, a field's default as
    `Class:name`.
    """
    kind, _, rest = name.partition(":")
    if kind == "unit":
        return unit(rest)
    if kind in _CLASSES:
        return default(_CLASSES[kind], rest)
    module, _, constant = name.rpartition(".")
    return float(getattr(importlib.import_module(module), constant))


_CLASSES: dict[str, type[Any]] = {"Timings": Timings, "WireLimits": WireLimits, "Pace": Pace}


@dataclass(frozen=True)
class Way:
    """`around` is the limit around `steps`; `spare` what must be left for work that has no limit of
    its own.
    """

    what: str
    around: str
    steps: tuple[tuple[str, ...], ...]
    spare: float = 0.0


WAYS = (
    Way(
        "from SIGTERM to the end of the process, with a disk that has stalled and a guard "
        "that must be killed",
        "unit:TimeoutStopSec",
        (
            # the loops end together: the last events of doors, the last sum of refusals
            # and readers' faults, and the OSDP panel, asked and then killed
            (
                "hubd.doors.door_records.LAST_SECONDS",
                "hubd.evidence.refusals.WRITE_SECONDS",
                "hubd.readers.faults.LAST_SECONDS",
                "drivers.osdp.process.STOP_SECONDS",
            ),
            ("drivers.osdp.process.STOP_SECONDS",),
            # then the guard: asked to end, then killed
            ("drivers.strike.guard_client.STOP_SECONDS",),
            ("drivers.strike.guard_client.STOP_SECONDS",),
            # then the record `stopped`, then the stores, each with all that it still reads and
            # writes; who looks at the disk or reads what waits for the backend is let go at once
            ("hubd.session.writing.LAST_RECORD_SECONDS",),
            ("hubd.adapters.sqlite.policy.CLOSE_SECONDS",),
            ("hubd.adapters.sqlite.audit.CLOSE_SECONDS",),
        ),
        spare=2.0,
    ),
    Way(
        "one unlock: its turn for RSA, its record, a strike that must rest, the guard, and "
        "the record that it was not "
        "done, before the phone gives up",
        "hubsim.phone.onlink.VERDICT_SECONDS",
        (
            ("hubcore.timing.budget.LINE_SECONDS",),
            ("hubd.doors.unlock.RECORD_SECONDS_MIN",),
            ("hubd.doors.drive.REST_WAIT_SECONDS",),
            ("drivers.strike.guard_channel.ANSWER_SECONDS",),
            ("hubd.doors.decisionlog.NOT_DONE_SECONDS",),
        ),
        spare=0.2,
    ),
    Way(
        "a batch that finds the log locked behind one that found it locked, before that is "
        "told as slow",
        "hubd.evidence.reporting.SLOW_SECONDS",
        (
            ("hubd.adapters.sqlite.database.BUSY_SECONDS",),
            ("hubd.adapters.sqlite.database.BUSY_SECONDS",),
        ),
        spare=0.1,
    ),
    Way(
        "a record that is told as slow, before who waits for it gives up",
        "hubd.doors.unlock.RECORD_SECONDS",
        (("hubd.evidence.reporting.SLOW_SECONDS",),),
        spare=0.2,
    ),
    Way(
        "a record that never comes, before a phone is too late",
        "hubd.doors.unlock.LATE_SECONDS",
        (("hubd.doors.unlock.RECORD_SECONDS",),),
        spare=0.2,
    ),
    Way(
        "a record that does not come, and the record of that, before the link takes its phone "
        "for unanswered",
        "hubcore.phone.handshake.WORKING_SECONDS",
        (("hubd.doors.unlock.LATE_SECONDS",), ("hubd.doors.decisionlog.NOT_DONE_SECONDS",)),
        spare=0.2,
    ),
    Way(
        "the same for a phone whose turn for RSA came late",
        "hubcore.phone.handshake.WORKING_SECONDS",
        (
            ("hubcore.timing.budget.LINE_SECONDS",),
            ("hubd.doors.unlock.RECORD_SECONDS_MIN",),
            ("hubd.doors.decisionlog.NOT_DONE_SECONDS",),
        ),
        spare=0.2,
    ),
    Way(
        "a full open that stands in line for its turn, before it is too late",
        "hubd.doors.unlock.LATE_SECONDS",
        (("hubcore.timing.budget.LINE_SECONDS",),),
        spare=0.2,
    ),
    Way(
        "the last records of a daemon that must end, before the kernel ends it",
        "hubd.session.running.END_SECONDS",
        (
            ("hubd.session.writing.LAST_RECORD_SECONDS",),
            ("hubd.doors.door_records.LAST_SECONDS", "hubd.evidence.refusals.WRITE_SECONDS"),
            ("hubd.session.writing.LAST_RECORD_SECONDS",),
        ),
        spare=2.0,
    ),
    Way(
        "the first records, and the strikes, before systemd gives the start up",
        "unit:TimeoutStartSec",
        (
            ("hubd.session.first.FIRST_RECORDS_SECONDS",),
            ("hubd.session.air.FIRST_STRIKES_SECONDS",),
        ),
        spare=30.0,
    ),
    Way(
        "a technician's lockdown, before the local socket gives it up",
        "hublocal.calls.HANDLER_SECONDS",
        (
            ("hubd.orders.order_log.RECORD_SECONDS",),
            ("hubd.orders.keeper.MOVE_SECONDS",),
            ("hubd.technician.acts.SECURED_SECONDS",),
        ),
        spare=5.0,  # for the orders before it
    ),
    Way(
        "an answer of the local socket, before hubctl gives up",
        "hubctl.client.ANSWER_SECONDS",
        (("hublocal.calls.HANDLER_SECONDS",),),
    ),
    Way(
        "a wire that waits for its reader, before the transport takes the backend for dead",
        "Timings:heartbeat_timeout_seconds",
        (("WireLimits:stuck_seconds",),),
        spare=2.0,
    ),
    Way(
        "a heartbeat, before the transport takes the backend for dead",
        "Timings:heartbeat_timeout_seconds",
        (("Timings:heartbeat_seconds",), ("Timings:heartbeat_seconds",)),
    ),
    Way(
        "a Ping, before a silent backend is greeted again",
        "Pace:silent_seconds",
        (("Pace:ping_seconds",),),
    ),
    Way(
        "a hub that is halted asks again, before its silence is told as a problem",
        "hubd.upkeep.looks.EVIDENCE_SECONDS",
        (("Pace:halted_seconds",), ("Pace:welcome_seconds",)),
    ),
)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.what)
def test_the_limits_along_one_way_add_up_to_less_than_the_limit_around_them(way: Way) -> None:
    along = sum(max(seconds(name) for name in step) for step in way.steps)
    assert along + way.spare < seconds(way.around), f"{along:g} s and {way.spare:g} s to spare"


NOT_FOR_THE_STOP = {
    "hubd/adapters/sqlite/audit.py": "open_log",
    "hubd/adapters/sqlite/policy.py": "open_policy",
}
"""Who may use the event loop's own threads, and for what: the stores are opened before a signal is
waited for.
"""


def test_no_thread_that_the_end_of_the_process_waits_for_is_on_the_way_of_the_stop() -> None:
    """asyncio joins its own threads at the end, for minutes: a disk that hangs would hold them for
    as long.
    """
    for path in sorted(ROOT.glob("hubd/**/*.py")):
        name = str(path.relative_to(ROOT))
        text = path.read_text(encoding="utf-8")
        used = re.findall(
            r"to_thread\((\w+)|run_in_executor\((None)", text.replace("`asyncio.to_thread`", "")
        )
        found = {first or second for first, second in used}
        assert found <= {NOT_FOR_THE_STOP.get(name)}, name


def test_a_pause_of_the_pace_is_shorter_than_the_transports_patience() -> None:
    """One piece from the backend, of the smallest frames, is paid back long before heartbeats are
    missed.
    """
    limits = WireLimits()
    frame_bytes = SEALED_BYTES + 2
    pauses = CHUNK_BYTES / frame_bytes / limits.frames_a_second, CHUNK_BYTES / limits.bytes_a_second
    assert max(pauses) < Timings().heartbeat_timeout_seconds / 2


def test_a_way_that_is_too_long_is_noticed() -> None:
    long = Way(
        "none", "Timings:heartbeat_seconds", (("Timings:heartbeat_seconds", "Pace:retry_seconds"),)
    )
    with pytest.raises(AssertionError, match="5 s"):
        test_the_limits_along_one_way_add_up_to_less_than_the_limit_around_them(long)
