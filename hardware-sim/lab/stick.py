"""A Z-Wave stick at a serial device: zwave-js's own simulated network, on a network of its own.

Run as `unshare --net python -m lab.stick MODULES FOLDER`: FOLDER gets `stick`, a link to the
device, which serves one program until stdin ends. It says "ready" when the device is there.

Law: nothing of it is seen on any network. The simulated network announces itself by mDNS.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hubsim.zwave.inside import MOCK_PORT, Network
from hubsim.zwave.modules import SERVICE
from hubsim.zwave.usb import UsbStick
from lab.ending import ENDS_WITH_US

LAB = Path(__file__).resolve().parent
START_SECONDS = 60.0


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
        stick = UsbStick(folder / "stick", MOCK_PORT, tasks)
        network = Network(modules, SERVICE / "service.cjs", folder, stick, tasks)
        await network.start("mock")
        stick.plug()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await network.stop("mock")
        await stick.pull()


if __name__ == "__main__":
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    asyncio.run(main())
