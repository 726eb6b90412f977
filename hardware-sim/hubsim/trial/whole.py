"""A whole site that runs, built step by step.

Laws:
1. A step is told after it happened, and was seen where it must be: at the strike's line, in the
   engine, in the hub's own answer.
2. Who fills the site is an account of its own, which ends before anybody looks. So the operator
   that is handed over has used no code yet.
3. Without a browser there is no phone; that is said, and the rest is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hubsim.bridge.files import SOCKET
from hubsim.chromium.browser import MISSING, PROGRAM
from hubsim.demo.steps import Steps
from hubsim.trial import filling
from hubsim.trial.ground import BRIDGE, FRONT, Ground
from hubsim.trial.pages import Pages
from hubsim.trial.phone import WebPhone, web_phone
from hubsim.trial.server import Operator, SiteServer

OPERATOR = "olga"
HELPER = "first-day"


@dataclass(frozen=True, slots=True)
class Trial:
    """All that runs, and how one gets in. `link` connects one phone more."""

    ground: Ground
    server: SiteServer
    operator: Operator
    link: str
    phone: WebPhone | None

    @property
    def path(self) -> Path:
        """Return the folder of all files."""
        return self.ground.path

    @property
    def hub_socket(self) -> Path:
        """Return where the hub is asked."""
        return self.ground.site.hub / "hubd.sock"

    @property
    def bridge_socket(self) -> Path:
        """Return where the bridge is asked."""
        return self.path / "bridges" / BRIDGE / SOCKET

    def ended(self) -> Iterator[str]:
        """Yield the name of each part that runs no more."""
        yield from self.ground.ended()
        if self.server.has_ended:
            yield "hubsite"


@asynccontextmanager
async def whole_site(steps: Steps, path: Path, port: int) -> AsyncIterator[Trial]:
    """Yield a site that runs; its server is at `port` of loopback.

    Raise StageError, BrowserError, HubError, FileExistsError.
    """
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(Ground(path))
        await ground.welcomed()
        steps.done("an engine (NATS), a gateway, a bridge, and a hub with two doors, on the air")
        made = SiteServer(ground, ground.behind.server, port)
        server = await stack.enter_async_context(made)
        operator = await server.operator(OPERATOR)
        steps.done(f"the site's server, hubsite, and its first operator, {operator.name}")
        links = await _first_day(steps, ground, server)
        phone = await _phone(stack, steps, ground, links[0])
        yield Trial(ground, server, operator, links[1], phone)


async def _first_day(steps: Steps, ground: Ground, server: SiteServer) -> list[str]:
    """Fill the site by its pages; return two links for phones, once the hub knows everything."""
    helper = await server.operator(HELPER)
    pages = Pages(server.address, server.certificate)

    def fill() -> tuple[filling.Filled, list[str]]:
        filling.sign_in(pages, helper)
        made = filling.fill(pages)
        return made, [filling.link_for(pages, made.owner) for _ in range(2)]

    made, links = await asyncio.to_thread(fill)
    steps.done(f"on its pages: doors, hours, people, grants, {made.rows} rows; a link for a phone")
    version = 0

    async def signed() -> bool:
        nonlocal version
        newest = await asyncio.to_thread(filling.policy_signed, pages)
        version = newest or 0
        return version > 0

    await ground.until(signed, "a policy is signed with every change")
    took = await ground.until_policy(version)
    await server.end_operator(HELPER)
    steps.done(f"the hub has all of that, as policy {version}", took)
    return links


async def _phone(stack: AsyncExitStack, steps: Steps, ground: Ground, link: str) -> WebPhone | None:
    """Connect a phone in a browser, and open a door by it; None without a browser (law 3)."""
    if PROGRAM is None:
        steps.console.print(f"[yellow]–[/yellow] without a phone: {MISSING}")
        return None
    phone = await stack.enter_async_context(web_phone(ground))
    await phone.connect(link)
    steps.done("a phone in a browser: by that link, it has made its key and fetched its grant")
    word = await phone.open(ground)
    steps.done(f"one touch: its page says “{word}”, and the strike of {FRONT.name} was driven")
    number = await ground.recorded()
    steps.done(f"all {number} records of the hub are in the engine and on the bridge's disk")
    return phone
