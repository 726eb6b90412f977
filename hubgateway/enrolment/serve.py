"""Joins the parts of a gateway's enrolment port."""

from __future__ import annotations

import asyncio
import time

from hubgateway.engine.engine import Engine
from hubgateway.engine.mirror import Mirror
from hubgateway.engine.trouble import complain
from hubgateway.enrolment.desk import Desk
from hubgateway.enrolment.place import Place
from hubgateway.enrolment.port import EnrolmentPort
from hubgateway.rules import names
from hubgateway.rules.promises import Promises


async def serve_new_hubs(place: Place, engine: Engine, group: asyncio.TaskGroup) -> int:
    """Open the port and serve in the group; return its number. Raise ConfigError, LinkError."""
    promises = Promises()

    def changed(hub: str, value: bytes | None) -> None:
        if not promises.changed(hub, value):
            complain(f"what {names.PROMISES_BUCKET} has of hub {hub} is no promise")

    mirror = Mirror(engine, names.PROMISES_BUCKET, changed)
    desk = Desk(
        table=engine.buckets,
        promises=promises,
        is_fresh=lambda: mirror.fresh,
        of_site=place.of_site,
        clock=time.time,
        monotonic=time.monotonic,
    )
    port = EnrolmentPort(
        place.host, place.port, place.secret, place.of_site.site, desk.answer, complain
    )
    await mirror.start()
    is_open = asyncio.Event()
    group.create_task(mirror.run())
    group.create_task(port.serve(is_open))
    await is_open.wait()
    return port.port
