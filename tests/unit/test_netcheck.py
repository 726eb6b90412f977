"""`hubctl netcheck`: each way to fail is shown at its own step, and no good end is made up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import zmq
import zmq.asyncio

from hubcore.ports.clock import KernelTime
from hubd.adapters.curve.zmtp import GREETING_BYTES
from hubd.adapters.keys.uplinkkeys import make_pair
from hubd.netcheck import causes
from hubd.netcheck.causes import REMEDIES, Cause
from hubd.netcheck.steps import (
    Found,
    Limits,
    Offset,
    State,
    Target,
    clock_step,
    ntp_step,
    walk,
)
from hubterm.exits import NO, TRY_AGAIN, UNREADABLE, USAGE

HOST = "127.0.0.1"
PAIR = make_pair()
LIMITS = Limits(curve_seconds=1.0)


def went(found: Found) -> list[tuple[str, State]]:
    return [(step.id, step.state) for step in found.steps]


@asynccontextmanager
async def backend(curve: bool = True) -> AsyncIterator[int]:
    """A real libzmq server that lets every key in."""
    with zmq.asyncio.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        if curve:
            router.setsockopt(zmq.CURVE_SERVER, 1)
            router.setsockopt(zmq.CURVE_SECRETKEY, PAIR.secret)
        yield router.bind_to_random_port(f"tcp://{HOST}")


@asynccontextmanager
async def server(says: bytes) -> AsyncIterator[int]:
    """What is no backend: it hears what comes first, says something and closes.

    What was not heard would be answered by a reset, which may come before or after the close.
    """

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(GREETING_BYTES)
        writer.write(says)
        writer.close()

    async with await asyncio.start_server(speak, HOST, 0) as listening:
        yield listening.sockets[0].getsockname()[1]


async def test_without_a_key_curve_is_spoken_and_nothing_is_proven() -> None:
    async with backend() as port:
        found = await walk(Target(HOST, port), LIMITS)
    assert went(found) == [("name", State.OK), ("connect", State.OK), ("curve", State.OK)]
    assert found.proven is None


async def test_a_backend_proves_its_key() -> None:
    async with backend() as port:
        found = await walk(Target(HOST, port, PAIR.public), LIMITS)
    assert went(found)[-1] == ("curve", State.OK)
    assert found.proven is True


async def test_a_backend_of_another_key_is_not_proven() -> None:
    async with backend() as port:
        found = await walk(Target(HOST, port, make_pair().public), LIMITS)
    assert went(found)[-1] == ("curve", State.FAILED)
    assert found.steps[-1].cause is Cause.OTHER_KEY
    assert found.proven is False


@pytest.mark.parametrize("key", [None, PAIR.public], ids=["no-key", "key"])
async def test_a_backend_without_keys_fails_at_curve(key: bytes | None) -> None:
    async with backend(curve=False) as port:
        found = await walk(Target(HOST, port, key), LIMITS)
    assert went(found)[-1] == ("curve", State.FAILED)
    assert found.steps[-1].cause in (Cause.NOT_CURVE, Cause.SILENT)
    assert found.proven is not True


@pytest.mark.parametrize("says", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff\0", bytes(500)])
@pytest.mark.parametrize("key", [None, PAIR.public], ids=["no-key", "key"])
async def test_what_is_no_backend_fails_at_curve(says: bytes, key: bytes | None) -> None:
    async with server(says) as port:
        found = await walk(Target(HOST, port, key), LIMITS)
    assert went(found) == [("name", State.OK), ("connect", State.OK), ("curve", State.FAILED)]
    assert found.steps[-1].cause in (Cause.NOT_CURVE, Cause.BROKEN)


async def test_a_server_that_says_nothing_ends_in_time() -> None:
    with socket.create_server((HOST, 0)) as silent:
        port = silent.getsockname()[1]
        found = await walk(Target(HOST, port), Limits(curve_seconds=0.1))
    assert went(found)[-1] == ("curve", State.FAILED)
    assert "said nothing" in found.steps[-1].what
    assert found.steps[-1].cause is Cause.SILENT


async def test_each_address_is_tried_and_a_closed_one_says_so() -> None:
    async with backend() as port:

        def resolve(host: str, *_: object, **how: object) -> list[tuple[object, ...]]:
            if how.get("flags"):
                return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)  # type: ignore[return-value]
            both = ("127.0.0.9", HOST)
            return [(socket.AF_INET, 0, 0, "", (one, port)) for one in both]

        found = await walk(Target("backend.test", port), LIMITS, resolve)
    states = [state for step, state in went(found) if step == "connect"]
    assert states == [State.FAILED, State.OK]
    assert "nothing accepts connections there" in found.steps[1].what
    assert found.steps[1].cause is Cause.REFUSED
    assert found.steps[-1].id == "curve"


async def test_a_name_that_does_not_resolve_ends_it() -> None:
    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    found = await walk(Target("backend.test", 4505), LIMITS, resolve)
    assert went(found) == [("name", State.FAILED)]
    assert found.steps[0].cause is Cause.NAME_UNKNOWN


async def test_a_name_server_that_says_nothing_is_another_cause() -> None:
    free = threading.Event()

    def resolve(*_: object, **how: object) -> list[tuple[object, ...]]:
        if how.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "no number")
        free.wait()
        return []

    found = await walk(Target("backend.test", 4505), Limits(resolve_seconds=0.05), resolve)
    free.set()
    assert [(step.id, step.cause) for step in found.steps] == [("name", Cause.NAME_SERVER_SILENT)]


async def test_a_firewall_that_drops_is_a_connection_without_an_answer() -> None:
    """The kernel drops what comes to a listener whose queue is full, as a firewall would."""
    with socket.socket() as full, contextlib.ExitStack() as waiting:
        full.bind((HOST, 0))
        full.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        found = await walk(Target(HOST, port), Limits(connect_seconds=0.2))
    assert [(step.id, step.cause) for step in found.steps] == [
        ("name", None),
        ("connect", Cause.DROPPED),
    ]


async def test_an_address_of_ipv6_is_tried_as_such() -> None:
    """No machine has an interface of this number, so nothing leads there."""

    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET6, 0, 0, "", ("fe80::1", 9, 0, 999_999))]

    found = await walk(Target("backend.test", 9), LIMITS, resolve)
    assert found.steps[-1].family == "ipv6"
    assert found.steps[-1].state is State.FAILED


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ConnectionRefusedError(), Cause.REFUSED),
        (TimeoutError(), Cause.DROPPED),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), Cause.NO_ROUTE),
        (OSError(errno.EHOSTUNREACH, "No route to host"), Cause.NO_ROUTE),
        (OSError(errno.EPERM, "Operation not permitted"), Cause.BROKEN),
        (None, Cause.BROKEN),
    ],
)
def test_why_an_address_does_not_connect(error: OSError | None, cause: Cause) -> None:
    assert causes.of_connect(error) is cause


def test_every_cause_that_somebody_can_mend_says_what_to_do() -> None:
    assert {cause for cause in Cause if REMEDIES[cause] is None} == {Cause.NOT_MEASURED}


def test_the_backends_clock_is_told_by_a_running_hub_or_not_measured() -> None:
    step = clock_step(None)
    assert (step.state, step.cause, step.remedy) == (State.UNKNOWN, Cause.NOT_MEASURED, None)
    assert step.what.startswith("not measured: ")
    step = clock_step(Offset(-0.25, 0.01))
    assert (step.state, step.cause) == (State.OK, None)
    assert "-0.250 s, within 0.010 s" in step.what


@pytest.mark.parametrize(
    ("kernel", "state"),
    [
        (None, State.UNKNOWN),
        (KernelTime(synchronised=False, error_seconds_max=16.0, error_seconds=16.0), State.WARNING),
        (KernelTime(synchronised=True, error_seconds_max=0.02, error_seconds=0.01), State.OK),
    ],
)
def test_the_clock_is_well_only_when_the_kernel_says_so(
    kernel: KernelTime | None, state: State
) -> None:
    assert ntp_step(lambda: kernel).state is state


async def run(*words: str, before: tuple[str, ...] = ()) -> tuple[int | None, bytes, bytes]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "hubctl.main", *before, "netcheck", *words),
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    shown, complained = await process.communicate()
    return process.returncode, shown, complained


async def test_the_program_gives_one_document_and_its_status() -> None:
    async with server(b"") as port:
        status, shown, _ = await run("--json", f"{HOST}:{port}")
    told = json.loads(shown)
    assert status == NO
    assert (told["schema"], told["port"], told["proven"]) == (1, port, None)
    assert [step["id"] for step in told["steps"]] == ["name", "connect", "curve", "clock", "ntp"]
    assert told["steps"][2]["state"] == "failed"
    assert [step["cause"] for step in told["steps"][:4]] == [
        None,
        None,
        "not-curve",
        "not-measured",
    ]
    assert told["steps"][1]["family"] == "ipv4"


@pytest.mark.parametrize("is_before", [True, False])
async def test_a_time_limit_ends_it_where_nobody_speaks(is_before: bool) -> None:
    with socket.create_server((HOST, 0)) as silent:
        place = f"{HOST}:{silent.getsockname()[1]}"
        limit = ("--timeout", "1.5")
        before = limit if is_before else ()
        after = () if is_before else limit
        status, shown, _ = await run(place, *after, before=before)
    assert (status, shown) == (TRY_AGAIN, b"")


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (("no-port",), USAGE, "usage"),
        ((f"{HOST}:99999",), USAGE, "usage"),
        (("--config", "missing.toml"), UNREADABLE, "unreadable"),
        ((f"{HOST}:9", "--backend-key", "missing"), UNREADABLE, "unreadable"),
        ((f"{HOST}:9", "--backend-key", __file__), UNREADABLE, "unreadable"),
    ],
)
async def test_what_was_typed_wrongly_ends_with_its_code(
    words: tuple[str, ...], status: int, code: str, tmp_path: Path
) -> None:
    placed = [str(tmp_path / word) if word.startswith("missing") else word for word in words]
    ended, shown, complained = await run("--json", *placed)
    assert (ended, shown) == (status, b"")
    assert json.loads(complained.splitlines()[-1])["error"]["code"] == code
