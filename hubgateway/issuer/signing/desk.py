"""Does what a site's server may have done about hubs, by the office that `hubissuer` has.

How it works: an ask was judged and logged before it comes here. Here it is judged once more against
what lies in the engine, and then done by the same code as a command of `hubissuer`.

Laws:
1. A machine is taken in only if its keys have the fingerprint that the ask names, and the office
   takes in the very promise that was compared.
2. Access points of a promise that is approved or refused, and of a hub that is renewed, ended or
   whose machine is replaced, are those of the limits. What an enrolled hub serves is what its
   certificate proves: without one it is neither ended nor replaced here.
3. Who was taken in is not refused any more: a hub is ended.
4. One ask is done at a time, on a connection of its own.
5. Whatever goes wrong is a RefusedError with a sentence. To ask for the same again does no harm: a
   newer token ends the one before, and all else ends where it was begun.
6. A certificate that is made here is judged and logged by the signer before it goes anywhere. It
   ends within `hub_days`, and within the time of all certificates that are signed.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from zmq.utils import z85

from hubcore.backend.enrolment.promise import is_same_fingerprint
from hubcore.backend.enrolment.token import SECRET_BYTES
from hubcore.codec.cose import SigningKey
from hubcore.codec.tlsauthority import Authority
from hubcore.errors import HardwareError, HubError
from hubcore.issuing.hubasks import HubAct, HubAsk
from hubcore.issuing.hubrules import check_points, check_replacing
from hubcore.issuing.limits import HubLimits
from hubcore.issuing.words import DAY_SECONDS, Refusal, RefusedError
from hubgateway.authority import tls_authority
from hubgateway.engine.engine import Engine
from hubgateway.engine.visit import with_engine
from hubgateway.issuer.holding.kinds import open_key
from hubgateway.issuer.holding.secrets import secret_from
from hubgateway.issuer.office.certificates import Heard
from hubgateway.issuer.office.hubs import HubOffice
from hubgateway.issuer.office.words import NoError, Validity
from hubgateway.issuer.signing.enrolconfig import EnrolmentSection

BEGAN_SECONDS_AGO = 60
Work = Callable[[HubOffice], Awaitable[str]]
AtOffice = Callable[[Work], str]
"""Does some work at the office, and waits for it. Raises LinkError, StoreError."""


class Desk:
    """`certificate_seconds` is how long a hub's certificates last; `wall` is Unix time."""

    def __init__(
        self,
        at_office: AtOffice,
        limits: HubLimits,
        certificate_seconds: int,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._at_office = at_office
        self._limits = limits
        self._certificate_seconds = certificate_seconds
        self._wall = wall
        self._thread = ThreadPoolExecutor(1, "hubs")

    async def do(self, ask: HubAsk) -> str:
        """Do it (law 4); return the token that was made, or "". Raise RefusedError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.done, ask)

    def done(self, ask: HubAsk) -> str:
        """Do it here and now. Raise RefusedError (law 5)."""
        try:
            return self._at_office(lambda office: self._do(office, ask))
        except RefusedError:
            raise
        except NoError as error:
            raise RefusedError(Refusal.OFFICE, str(error)) from error
        except HardwareError as error:
            raise RefusedError(Refusal.KEY, str(error)) from error
        except HubError as error:
            raise RefusedError(
                Refusal.ENGINE, f"{error}. A part may be done: ask for the same again"
            ) from error

    async def _do(self, office: HubOffice, ask: HubAsk) -> str:
        match ask.act:
            case HubAct.TOKEN:
                return await self._token(office, ask)
            case HubAct.APPROVE:
                await self._approve(office, ask)
            case HubAct.REFUSE:
                await self._refuse(office, ask.hub)
            case HubAct.RENEW:
                await self._renew(office, ask.hub)
            case HubAct.END:
                await self._end(office, ask.hub)
        return ""

    async def _token(self, office: HubOffice, ask: HubAsk) -> str:
        served = await office.proven_points(ask.hub)
        check_points(served, self._limits)
        doors = dict(ask.doors)
        if not doors:  # it takes the place of a hub, with its doors
            if not served:
                raise NoError(f"hub {ask.hub} has no certificate that names its access points")
            doors = {point: f"Door {point}" for point in served}
        return await office.promise(
            ask.hub,
            doors,
            ask.time_zone,
            replaces=ask.replaces,
            secret=secrets.token_bytes(SECRET_BYTES),
            now=self._wall(),
        )

    async def _approve(self, office: HubOffice, ask: HubAsk) -> None:
        promise = await office.asked(ask.hub)
        if not is_same_fingerprint(promise.fingerprint, ask.fingerprint):
            raise NoError(
                f"the machine that asks to be hub {ask.hub} has another fingerprint, "
                f"{promise.fingerprint}: somebody else may have the token. Refuse it, and make "
                "another token"
            )
        served = await office.proven_points(ask.hub, own=promise.curve)
        check_points((*promise.points, *served), self._limits)
        check_replacing(promise.replaces, self._limits)
        await office.approve(promise, self._validity())

    async def _refuse(self, office: HubOffice, hub: str) -> None:
        promise = (await office.promises()).get(hub)
        if promise is not None:
            check_points(promise.points, self._limits)
            if promise.certificate:
                raise NoError(f"hub {hub} was taken in already: end it, if it is to be none")
        await office.refuse(hub)

    async def _renew(self, office: HubOffice, hub: str) -> None:
        check_points((await office.certificate(hub)).access_points, self._limits)
        await office.renew(hub, (), (), self._validity())

    async def _end(self, office: HubOffice, hub: str) -> None:
        promise = (await office.promises()).get(hub)
        served = await office.proven_points(hub)
        check_points((*served, *(promise.points if promise else ())), self._limits)
        await office.end(hub)

    def _validity(self) -> Validity:
        begins = int(self._wall()) - BEGAN_SECONDS_AGO
        return Validity(begins, begins + self._certificate_seconds)


def open_desk(
    section: EnrolmentSection,
    site: str,
    issuer: SigningKey,
    file: Path,
    certificate_seconds: int,
    heard: Heard,
) -> Desk:
    """Open what the section names. Raise ConfigError, HardwareError.

    `heard` judges and logs a certificate (law 6), `certificate_seconds` is the longest of all.
    """
    secret = secret_from(section.authority_secret, file, "authority_secret")
    key = open_key("authority_key", section.authority_key, file, secret).key
    authority = Authority(key=key, document=tls_authority(section.tls_authority, file))
    enrolment_key = z85.decode(section.enrolment_key.encode("ascii"))

    def at_office(work: Work) -> str:
        async def connected(engine: Engine) -> str:
            office = HubOffice(
                engine.buckets,
                engine.archive,
                issuer,
                authority,
                site,
                enrolment_key,
                wall=time.time,
                heard=heard,
            )
            return await work(office)

        return asyncio.run(with_engine(section, connected))

    seconds = min(section.hub_days * DAY_SECONDS, certificate_seconds)
    return Desk(at_office, section.limits(), seconds)
