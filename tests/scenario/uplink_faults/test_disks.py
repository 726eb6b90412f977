"""The backend's disk takes no more, the hub's takes no more, and the hub's outbox is damaged."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from tests.scenario.uplink_faults.desk import Desk, free_endpoint

pytestmark = [pytest.mark.asyncio, pytest.mark.once, pytest.mark.long]

ROOM_BYTES = 400_000
"""A file may have no more: the kernel refuses the rest, as a full disk does."""
AT_ONCE = 100


def limited(room_bytes: int) -> tuple[str, ...]:
    """Return what goes before a command, so that its files have a ceiling."""
    return ("prlimit", f"--fsize={room_bytes}")


async def test_a_backend_whose_disk_is_full_acknowledges_nothing_more_and_goes_on_later(
    desk: Desk,
) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint, prefix=limited(ROOM_BYTES))
    await desk.start_hub(endpoint)
    await desk.speaking()
    log = desk.folder / "backend.log"
    state = await desk.state_of_hub()
    while "nothing is acknowledged" not in log.read_text():
        state = await desk.hub.ask(do="append", count=AT_ONCE)
        assert state["last"] < 100 * AT_ONCE, "the disk has room for ever"
    state = await desk.hub.ask(do="append", count=AT_ONCE)
    assert state["waiting"] >= AT_ONCE
    assert await desk.hub.ask(do="present", strength="full") is None, "doors go on"
    await desk.server.kill()
    await desk.start_backend(endpoint)
    await desk.drained()
    assert (await desk.release())["outcome"] == "released"
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (1, 2)


async def test_a_hub_whose_disk_is_full_does_no_order_and_loses_nothing_that_it_has(
    desk: Desk,
) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint, prefix=limited(ROOM_BYTES))
    await desk.speaking()
    done = 0
    answer = await desk.release()
    while answer.get("outcome") == "released":
        done += 1
        await desk.hub.ask(do="fill", count=AT_ONCE)
        answer = await desk.release()
    assert answer["outcome"] == "failed", "no record, no strike"
    state = await desk.state_of_hub()
    assert state["strikes"] == done
    await desk.hub.kill()
    await desk.start_hub(endpoint)
    await desk.drained()
    assert (await desk.release())["outcome"] == "released"
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (done + 1, 1), "each that was done, once"


DAMAGES = {
    "emptied": "DELETE FROM outbox",
    "every other one is gone": "DELETE FROM outbox WHERE number % 2",
    "all records wait": "INSERT OR IGNORE INTO outbox SELECT number FROM records",
    "the newest receipt is gone": "DELETE FROM acknowledged",
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_an_outbox_that_is_damaged_sends_each_record_and_stores_it_once(
    desk: Desk, damage: str
) -> None:
    endpoint = free_endpoint()
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.hub.ask(do="append", count=50)
    await desk.drained()
    assert (await desk.release())["outcome"] == "released"
    await desk.drained()
    await desk.server.kill()
    await desk.gone()
    await desk.hub.ask(do="append", count=50)
    await desk.hub.kill()
    with contextlib.closing(sqlite3.connect(desk.state / "audit.db")) as log, log:
        log.execute(DAMAGES[damage])
    await desk.start_backend(endpoint)
    await desk.start_hub(endpoint)
    await desk.drained()
    assert (await desk.release())["outcome"] == "released"
    await desk.drained()
    account = await desk.account()
    assert account.is_clean(), account
    assert (account.orders, account.strikes) == (2, 1), "one in each life of the hub"
