"""Wired inputs (door position switches, requests to exit) by the edges that the kernel tells.

Laws:
1. Every input is told by its level first, since edges tell only changes (`drivers.gpio.bank`).
2. Nothing is read from the kernel before somebody hears it, and nothing once hubd is to hand its
   inputs on. What waits there is read by whoever goes on with the lines.
3. A chip that fails is asked for again, and that is reported. The other chips' lines stay held.
4. Egress is wired in hardware, so nothing here opens a door. The same holds for fire.
5. Each line has its own debounce, by the kernel: for its edges and for its level.
6. A switch with two contacts tells through `drivers.gpio.supervised`.
7. Edges that waited on several chips are told in the order of their times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import gpiod

from drivers.gpio.bank import Bank, ChipOfInputs, Said, find_chips
from drivers.gpio.held import KernelRequests, LineEdge, Requests
from drivers.gpio.kept import KeptRequests
from drivers.gpio.lines import OpenChip
from drivers.gpio.supervised import TwoContacts
from drivers.gpio.wired import Contact, InputLine
from hubcore.errors import HardwareError
from hubcore.ports.doors import Input, InputEvent

RETRY_SECONDS = 5.0

_REPORTS: dict[tuple[Contact, bool], Input] = {
    (Contact.BOLT, True): Input.BOLT_LOCKED,
    (Contact.BOLT, False): Input.BOLT_FREE,
    (Contact.FIRE, True): Input.FIRE,
    (Contact.FIRE, False): Input.FIRE_ENDED,
    (Contact.DPS, True): Input.DOOR_OPEN,
    (Contact.DPS, False): Input.DOOR_CLOSED,
    (Contact.REX, True): Input.REX,  # letting go of the button is no event
}


async def _at_once() -> None:
    """Somebody hears."""


class WiredInputs:
    """All inputs of the hub: one request of the kernel for each chip."""

    def __init__(
        self,
        lines: Sequence[InputLine],
        put: Callable[[InputEvent], None],
        tell: Callable[[bool, str], None],
        heard: Callable[[], Awaitable[None]] = _at_once,
        open_chip: OpenChip = gpiod.Chip,
        requests: Requests | None = None,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """Several doors may have one line as their fire input.

        `put` takes every level and edge, `tell(up, why)` hears each start and each failure.
        `heard` returns once somebody hears what is put."""
        self._lines = tuple(lines)
        self._put = put
        self._tell = tell
        self._heard = heard
        self._open_chip = open_chip
        self._requests = requests or KernelRequests()
        self._retry_seconds = retry_seconds
        self._banks: list[Bank] = []
        """Those that are watched now."""
        self._kept = KeptRequests(self._requests, open_chip)
        self._is_given = False
        """Something was given, and was not looked at yet."""
        self._refused = ""
        """Why what was given is not used."""
        self._is_handed_on = False
        self._pairs = {
            line.door: TwoContacts(line.door, put, _call_later)
            for line in lines
            if line.contact is Contact.DPS_SECOND
        }

    # A hub that changes hands

    def take_up(self, given: Mapping[str, int]) -> None:
        """Let `run` begin with the requests of another hubd, by the names of their chips."""
        for chip, descriptor in given.items():
            self._kept.keep(chip, descriptor)
        self._is_given = bool(given)

    def taken(self) -> None:
        """Return when what was given is what this hub wants. Raise HardwareError when it is not."""
        if self._refused:
            raise HardwareError(self._refused)
        if not self._is_given:
            return
        try:
            self._kept.prove(self._chips_that_are_there())
        except HardwareError as error:
            self._refused = str(error)
            raise
        self._is_given = False

    def hand_on(self) -> None:
        """Read nothing more, and let the end of `run` leave the lines held."""
        self._is_handed_on = True
        loop = asyncio.get_running_loop()
        for bank in self._banks:
            loop.remove_reader(bank.descriptor)

    def handed_on(self) -> dict[str, int]:
        """Return the requests after that, the caller's, by the names of their chips.

        What was given and is not taken up is returned as it came.
        """
        return self._kept.hand_on()

    def _chips_that_are_there(self) -> dict[str, ChipOfInputs]:
        """Return the chips of the inputs by name, without those that cannot be asked now.

        Raise HardwareError for a line that a chip does not have.
        """
        first_of = {line.chip: line for line in reversed(self._lines)}
        there = {chip for chip, line in first_of.items() if self._is_there(line)}
        lines = [line for line in self._lines if line.chip in there]
        return {chip.name: chip for chip in find_chips(lines, self._open_chip)}

    def _is_there(self, line: InputLine) -> bool:
        try:
            find_chips([line], self._open_chip)
        except HardwareError:
            return False
        return True

    # Watching

    async def run(self, ready: Callable[[], None]) -> None:
        """Watch until cancelled; call `ready` each time all inputs are watched."""
        try:
            await self._heard()
            while not self._is_handed_on:
                try:
                    await self._watch(ready)
                except HardwareError as error:
                    self._tell(False, str(error))
                await asyncio.sleep(self._retry_seconds)
        finally:
            if not self._is_handed_on:
                self._kept.close()

    def levels(self) -> dict[str, bool]:
        """Read whether each input is active now, by its door and contact. Raise HardwareError."""
        if not self._banks:
            raise HardwareError("The inputs are not watched now.")
        read: dict[str, bool] = {}
        for bank in self._banks:
            read |= {f"{line.door} {line.contact.value}": active for line, active in bank.levels()}
        return read

    async def _watch(self, ready: Callable[[], None]) -> None:
        self.taken()
        loop = asyncio.get_running_loop()
        broken: asyncio.Future[None] = loop.create_future()
        banks: list[Bank] = []
        stay_held = False
        try:
            for chip in find_chips(self._lines, self._open_chip):
                banks.append(self._bank_of(chip))
            self._begin(banks)
            for bank in banks:
                loop.add_reader(bank.descriptor, self._read, bank, broken)
            self._banks = banks
            self._tell(True, f"{len(self._lines)} inputs are watched.")
            ready()
            await broken
        except HardwareError:
            stay_held = True
            raise
        finally:
            self._banks = []
            for bank in banks:
                loop.remove_reader(bank.descriptor)
                self._put_by(bank, stay_held or self._is_handed_on)
            for pair in self._pairs.values():
                pair.unwatched()

    def _bank_of(self, chip: ChipOfInputs) -> Bank:
        """Go on with the request of this chip, or request its lines. Raise HardwareError."""
        given = self._kept.take(chip.name)
        if given is not None:
            return Bank(chip, given, self._requests, is_new=False)
        return Bank(chip, chip.request(self._open_chip), self._requests, is_new=True)

    def _put_by(self, bank: Bank, stays_held: bool) -> None:
        if stays_held and bank.is_well:
            self._kept.keep(bank.chip.name, bank.descriptor)
        else:
            bank.close()

    def _begin(self, banks: Iterable[Bank]) -> None:
        """Tell every level, then the edges that waited (law 7).

        Raise HardwareError for a chip that fails; what the others had to tell is told.
        """
        failed: HardwareError | None = None
        waited: list[tuple[LineEdge, Bank]] = []
        for bank in banks:
            try:
                levels, edges = bank.begin()
            except HardwareError as error:
                failed = error
                continue
            self._report(levels)
            waited += [(edge, bank) for edge in edges]
        waited.sort(key=_time_of)
        for edge, bank in waited:
            self._report(bank.take(edge))
        if failed is not None:
            raise failed

    def _read(self, bank: Bank, broken: asyncio.Future[None]) -> None:
        try:
            said = bank.read()
        except HardwareError as error:
            if not broken.done():
                broken.set_exception(error)
        else:
            self._report(said)

    def _report(self, said: Iterable[Said]) -> None:
        for line, active, at in said:
            self._report_one(line, active, at)

    def _report_one(self, line: InputLine, active: bool, at: float) -> None:
        """Tell what a line says, at this monotonic second."""
        pair = self._pairs.get(line.door)
        if pair is not None and line.contact is Contact.DPS:
            pair.first(active, at)
        elif pair is not None and line.contact is Contact.DPS_SECOND:
            pair.second(not active, at)
        else:
            what = _REPORTS.get((line.contact, active))
            if what is not None:
                self._put(InputEvent(line.door, what, at))


def _time_of(waited: tuple[LineEdge, Bank]) -> float:
    return waited[0].at


def _call_later(seconds: float, what: Callable[[], None]) -> asyncio.TimerHandle:
    return asyncio.get_running_loop().call_later(seconds, what)
