"""Work on the side: its result comes back, and neither a caller nor the end of the process waits
for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import threading

import pytest

from hubcore.errors import HardwareError
from hubd.threads import run_in_thread
from tests.threads import Scarce

STUCK = """
import asyncio, sys, time
from hubd.threads import run_in_thread
async def main():
    task = asyncio.get_running_loop().create_task(run_in_thread("stuck", lambda: time.sleep(60)))
    await asyncio.sleep(0.1)
    task.cancel()
asyncio.run(main())
print("ended")
"""


@pytest.mark.asyncio
async def test_a_result_and_an_error_come_back() -> None:
    assert await run_in_thread("sum", lambda: 1 + 1) == 2
    assert await run_in_thread("nothing", lambda: None) is None
    with pytest.raises(ZeroDivisionError):
        await run_in_thread("error", lambda: 1 // 0)


@pytest.mark.asyncio
async def test_a_caller_that_has_gone_gets_nothing_and_breaks_nothing() -> None:
    go = threading.Event()
    errors = list[object]()
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run_in_thread("late", lambda: go.wait(5)))
        await asyncio.sleep(0)
        task.cancel()
    go.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            await asyncio.Event().wait()
    assert errors == []


@pytest.mark.asyncio
async def test_a_machine_without_a_thread_is_told_with_what_to_look_at() -> None:
    scarce = Scarce(missing=1)
    with pytest.raises(
        HardwareError,
        match=r"cannot start a thread for sum .can't start new thread.*systemctl status hubd",
    ):
        await run_in_thread("sum", lambda: 1 + 1, scarce)
    assert await run_in_thread("sum", lambda: 1 + 1, scarce) == 2


NO_ROOM = """
import asyncio, resource
from hubd.threads import run_in_thread
from hubcore.errors import HardwareError
import threading
threading.stack_size(1 << 40)
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
try:
    asyncio.run(run_in_thread("sum", lambda: 1 + 1))
except HardwareError as error:
    print(error)
"""


def test_a_real_machine_without_a_thread_is_told_so() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", NO_ROOM], capture_output=True, timeout=20, check=True, text=True
    )
    assert ended.stdout.startswith("hubd cannot start a thread for sum (can't start new thread)")


def test_the_end_of_the_process_waits_for_nothing() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", STUCK], capture_output=True, timeout=20, check=True
    )
    assert ended.stdout == b"ended\n"
