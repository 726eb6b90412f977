"""A Z-Wave stick at a serial device: zwave-js's own simulated network, on a network of its own.

Run as `unshare --net python -m lab.stick MODULES FOLDER`: FOLDER gets `stick`, a link to the
device, which serves one program until stdin ends. It says "ready" when the device is there.

Law: nothing of it is seen on any network. The simulated network announces itself by mDNS.
"""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
import tty
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hubsim.zwave.inside import MOCK_PORT, Network
from hubsim.zwave.modules import SERVICE
from lab.ending import ENDS_WITH_US

LAB = Path(__file__).resolve().parent
START_SECONDS = 60.0
PART_BYTES = 4096


@asynccontextmanager
async def a_stick(modules: Path, folder: Path) -> AsyncIterator[Path]:
    """Have a stick; yield its device. It ends with the block."""
    argv = [*ENDS_WITH_US, "unshare", "--net", sys.executable, "-m", "lab.stick"]
    process = await asyncio.create_subprocess_exec(
        *argv, str(modules), str(folder), stdin=PIPE, stdout=PIPE, cwd=LAB.parent
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            said = await process.stdout.readline()
        assert said == b"ready\n", f"the stick said {said!r}, see {folder}/mock.log"
        yield folder / "stick"
    finally:
        process.stdin.close()
        try:
            async with asyncio.timeout(START_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            raise


async def main() -> None:
    """Serve the stick until stdin ends."""
    modules = Path(sys.argv[1])
    folder = Path(sys.argv[2])
    async with asyncio.TaskGroup() as tasks:
        network = Network(modules, SERVICE / "service.cjs", folder, tasks)
        await network.start("mock")
        ours, theirs = pty.openpty()
        tty.setraw(theirs)
        (folder / "stick").symlink_to(os.ttyname(theirs))
        carrying = tasks.create_task(_carry(ours))
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        carrying.cancel()
        await network.stop("mock")


async def _carry(end: int) -> None:
    """Carry bytes between the device and the simulated network."""
    reader, writer = await asyncio.open_connection("127.0.0.1", MOCK_PORT)
    loop = asyncio.get_running_loop()
    os.set_blocking(end, False)
    loop.add_reader(end, lambda: writer.write(os.read(end, PART_BYTES)))
    try:
        while data := await reader.read(PART_BYTES):
            os.write(end, data)
    finally:
        loop.remove_reader(end)
        writer.close()


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(main())
