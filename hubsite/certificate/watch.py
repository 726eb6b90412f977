"""Looks at this server's own certificate while it runs, and says what is to be done about it.

Laws:
1. It looks each EVERY_SECONDS at the files, as they are then.
2. What browsers refuse, what ends soon and what is no pair is a sentence with both files. The
   server goes on: its pages lock doors down.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from hubcore.errors import ConfigError
from hubsite import config
from hubsite.certificate.judging import ends_soon, first_of, said, wrong_with
from hubsite.looping import Looping
from hubsite.tls import check_tls

EVERY_SECONDS = 60.0
PART = "Certificate"


class CertificateWatch(Looping):
    """The part that looks; `now` is this machine's clock."""

    def __init__(
        self,
        site: config.Site,
        every_seconds: float = EVERY_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(PART, "hubsite.certificate")
        self._site = site
        self._every_seconds = every_seconds
        self._now = now

    async def serve(self) -> None:
        """Look until it is stopped (law 1)."""
        while not self.is_stopped:
            self.found(problem_of(self._site, self._now()))
            await self.wait(self._every_seconds)


def problem_of(site: config.Site, now: datetime) -> str:
    """Return what is wrong with the certificate and what to do, "" for nothing (law 2)."""
    certificate = site.place(site.config.tls_certificate)
    key = site.place(site.config.tls_key)
    try:
        check_tls(site)
        found = first_of(certificate.read_bytes())
        wrong = wrong_with(found, site.config.hosts, now)
    except (ConfigError, OSError, ValueError) as error:
        return f"The last good certificate is used, as long as this server runs: {error}"
    mends = (
        f"Copy another one over {certificate}, and its key over {key}: it counts from the next "
        "connection on, without a restart."
    )
    if wrong:
        return (
            f"Browsers refuse the certificate of this server: {wrong}. Phones in browsers fetch "
            f"nothing until that is mended. {mends}"
        )
    if ends_soon(found, now):
        return (
            f"The certificate of this server ends on {said(found.not_valid_after_utc)}. After that "
            f"browsers refuse it, and phones in browsers fetch nothing. {mends}"
        )
    return ""
