"""One request of a phone that is opened on the RSA thread: at once, or when its turn comes.

Laws:
1. A request whose phone leaves before its turn costs the RSA thread nothing.
2. A machine that gives no thread fails this one request.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor

from hubcore.errors import ProofError
from hubcore.phone.sealing import Opened, OpenJob, open_request
from hubd.threads import no_thread


class Unsealing:
    """Opens one request on the executor `rsa`, `after_seconds` from now."""

    def __init__(self, job: OpenJob, after_seconds: float, rsa: Executor) -> None:
        self._job = job
        self._rsa = rsa
        self._turn = asyncio.get_running_loop().time() + after_seconds
        self._opening: asyncio.Future[Opened | ProofError] | None = None
        if not after_seconds:
            self._opening = self._start()

    @property
    def started(self) -> bool:
        """Whether the request was handed to the RSA thread."""
        return self._opening is not None

    async def result(self, left: asyncio.Event) -> Opened | ProofError:
        """Wait for the turn, if any, and return what became of the request.

        `left` is set when the phone goes. What fails on this hub, not at the phone, is raised.
        """
        if self._opening is None:
            try:
                async with asyncio.timeout_at(self._turn):
                    await left.wait()
                return ProofError("link: gone before its turn")
            except TimeoutError:
                self._opening = self._start()
        return await self._opening

    def cancel(self) -> None:
        """Drop the result of a request that was started."""
        if self._opening is not None:
            self._opening.cancel()

    def _start(self) -> asyncio.Future[Opened | ProofError]:
        loop = asyncio.get_running_loop()
        try:
            return loop.run_in_executor(self._rsa, _open, self._job)
        except RuntimeError as error:
            failed: asyncio.Future[Opened | ProofError] = loop.create_future()
            failed.set_exception(no_thread("RSA", error))
            return failed


def _open(job: OpenJob) -> Opened | ProofError:
    """Do the RSA and check the signatures, on the RSA thread."""
    try:
        return open_request(job)
    except ProofError as error:
        return error
