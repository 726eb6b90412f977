"""The demo as a whole: its stage, its two acts, and the evidence at the end."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from hubcore.errors import ConfigError, HubError
from hubcore.phone.messages import Reason
from hubsim.bridge.files import make_bridge
from hubsim.bridge.running import NAME, running_bridge, section
from hubsim.bridge.secondact import SecondAct
from hubsim.demo.devices import SHUTTER, DemoDevices, modules_of_zwave, zwave_network
from hubsim.demo.door import DemoDoor
from hubsim.demo.phones import DemoPhones
from hubsim.demo.site import give_card, grant_phones
from hubsim.demo.steps import NotShown, Steps, expect
from hubsim.demo.strike import StrikeLine
from hubsim.phone.radio import on_air
from hubsim.picture import FORMAT
from hubsim.site.building import ARCHIVE, FRONT, zwave_sections
from hubsim.stage import Stage, StageError, free_port

PICTURE_COLUMNS = 108


async def show(path: Path, picture: Path | None = None) -> int:
    """Run the demo in a new folder; return the exit status.

    Draw what it printed into `picture`, if that is given.
    """
    if picture is None:
        return await _run(path, Steps(Console(highlight=False)))
    console = Console(highlight=False, record=True, width=PICTURE_COLUMNS)
    status = await _run(path, Steps(console))
    console.save_svg(str(picture), title="make demo", code_format=FORMAT, unique_id="demo")
    return status


async def _run(path: Path, steps: Steps) -> int:
    try:
        modules = modules_of_zwave(steps)
        doors = [FRONT] if modules is None else [FRONT, ARCHIVE]
        devices = "" if modules is None else zwave_sections(SHUTTER)
        port = free_port()
        stage = Stage(path, doors, extra_config=devices + section(port), enrols=True)
        grant_phones(stage.site)
        give_card(stage.site)
        steps.done("a site: keys of issuer and backend, and four phones with grants")
        async with contextlib.AsyncExitStack() as stack:
            if modules is not None:
                await stack.enter_async_context(zwave_network(modules, stage))
                steps.done("the Z-Wave service runs, with a simulated lock and shutter")
            await stack.enter_async_context(stage)
            steps.done(
                f"the hub is enrolled: one token, and {stage.fingerprint} seen on both sides"
            )
            steps.done("the radio, the backend and the hub run; the hub is on air")
            await stage.start_readers()
            strike = StrikeLine(stage)
            door = DemoDoor(stage, steps, strike)
            async with on_air(stage.transport) as device:
                phones = DemoPhones(stage, device, steps, strike)
                await _first_act(phones, door)
            if modules is not None:
                await DemoDevices(stage, steps).move()
            await door.forced()
            await _second_act(phones, port)
            expect(await stage.stop("hub") == 0, "the hub stops cleanly")
        _verify_evidence(stage)
        steps.done(
            "the hub has stopped, and `hubctl audit verify` finds its chain of records whole"
        )
    except (NotShown, StageError, HubError, FileExistsError, TimeoutError) as error:
        steps.console.print(f"[red]✗[/red] {error}")
        return 1
    steps.console.print(f"\n{steps.count} steps, all of them checked. The files are in {path}.")
    return 0


async def _first_act(phones: DemoPhones, door: DemoDoor) -> None:
    """Open the front door in each way, and refuse whom it must not let in."""
    anna = phones.load("anna")
    report = await phones.full_path(anna)
    await phones.short_path(anna)
    await door.remote()
    await phones.replay(report.sent[-1])
    await phones.revoked()
    await phones.refused("carl", "a grant that has expired", Reason.GRANT_TIME)
    await phones.refused("dora", "a phone out of its schedule", Reason.SCHEDULE)
    await door.card_and_pin()


async def _second_act(phones: DemoPhones, port: int) -> None:
    """Put a real gateway and its engine into the backend's place; then cut the internet.

    Without a NATS server and its client it is left out, and that is said.
    """
    stage = phones.stage
    try:
        from hubsim.bridge.behind import BackendBehind

        made = BackendBehind(stage)
    except (ModuleNotFoundError, ConfigError) as error:
        phones.steps.console.print(f"[yellow]–[/yellow] without its second act: {error}")
        return
    async with contextlib.AsyncExitStack() as stack:
        backend = await stack.enter_async_context(made)
        make_bridge(stage.site, NAME)
        backend.make()
        await stage.stop("backend")
        await backend.begin()
        log = stack.enter_context((stage.path / "bridge.log").open("a"))
        stack.enter_context(contextlib.redirect_stderr(log))  # where a bridge has its journal
        gateways = [backend.for_bridges]
        bridge = await stack.enter_async_context(running_bridge(stage.site, port, backend=gateways))
        phones.device = await stack.enter_async_context(on_air(stage.transport))
        await SecondAct(phones, bridge, backend).run()


def _verify_evidence(stage: Stage) -> None:
    audit = stage.site.hub / "state" / "audit.db"
    hubctl = (sys.executable, "-m", "hubctl.main")
    verify = subprocess.run(
        [*hubctl, "audit", "verify", "--file", str(audit)],
        capture_output=True,
        text=True,
    )
    expect(verify.returncode == 0, f"hubctl audit verify: {verify.stdout}{verify.stderr}")
