"""A phone that goes away half-way: it leaves its link at the n-th read or write.

Law: the reads and writes before that go through unchanged.
"""

from __future__ import annotations

from hubsim.phone.radio import PhoneLink


class Left(Exception):
    """The phone has gone away, as it meant to."""


class Leaving:
    """`link`, left after so many reads and writes. Implements PhoneLink; raises Left."""

    def __init__(self, link: PhoneLink, steps: int) -> None:
        self._link = link
        self._steps = steps
        self.mtu = link.mtu
        self.notifications = link.notifications

    async def read_info(self) -> bytes:
        self._step()
        return await self._link.read_info()

    async def write(self, frame: bytes) -> None:
        self._step()
        await self._link.write(frame)

    async def pull(self) -> bytes:
        self._step()
        return await self._link.pull()

    def _step(self) -> None:
        if self._steps == 0:
            raise Left
        self._steps -= 1
