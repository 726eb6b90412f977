"""The parts of a hub that can change hands: a class for each, behind `belongings.Handed`."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress

from drivers.gpio.events import Edges
from drivers.gpio.inputs import WiredInputs
from drivers.strike.guard_client import StrikeGuard
from hubcore.errors import HubError
from hubcore.phone.tickets import HANDED_BYTES_MAX, TicketTable
from hubcore.update.packets import Descriptor, DescriptorKind
from hubd.adapters.bluez.radio import BluezRadio
from hubd.adapters.dbus.handing import HandedBus
from hubd.adapters.local.api import LocalApi
from hubd.wiring.handed.belongings import BUS, GUARD, SPARE, TICKETS, Belongings, close

_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class HandedGuards:
    """The strike guard at work, and the one that waits.

    A guard that holds magnets is not renewed: they would be without power from its end until the
    next one holds the lines. The next start of hubd brings a new one.
    """

    def __init__(self, guard: StrikeGuard, holds_magnets: bool = False) -> None:
        self._guard = guard
        self._holds_magnets = holds_magnets

    def take_up(self, given: Belongings) -> frozenset[Descriptor]:
        """See `Handed`."""
        self._guard.take_up(given.descriptors.get(GUARD), given.descriptors.get(SPARE))
        return frozenset({GUARD, SPARE})

    async def taken(self) -> None:
        """See `Handed`."""
        await self._guard.taken()

    def half_done(self) -> int:
        """See `Handed`: a command ends by itself, a renewal is waited for."""
        return int(self._guard.is_being_renewed)

    def hand_on(self) -> None:
        """See `Handed`."""
        self._guard.hand_on()

    def alone(self) -> None:
        """See `Handed`: guards that another hubd has started are renewed from now on."""
        self._guard.renew(with_guard_at_work=not self._holds_magnets)

    def left(self) -> Belongings:
        """See `Handed`."""
        guard, spare = self._guard.handed_on()
        both = ((GUARD, guard), (SPARE, spare))
        return Belongings({one: number for one, number in both if number is not None})


class HandedRadio:
    """The connection to D-Bus that bluetoothd knows the hub by."""

    def __init__(self, radio: BluezRadio) -> None:
        self._radio = radio

    def take_up(self, given: Belongings) -> frozenset[Descriptor]:
        """See `Handed`."""
        if given.connection is not None:
            self._radio.take_up(HandedBus(given.descriptors[BUS], given.connection))
        return frozenset({BUS})

    async def taken(self) -> None:
        """See `Handed`."""
        await self._radio.taken()

    def half_done(self) -> int:
        """See `Handed`."""
        return self._radio.half_done

    def hand_on(self) -> None:
        """See `Handed`."""
        self._radio.hand_on()

    def alone(self) -> None:
        """See `Handed`."""

    def left(self) -> Belongings:
        """See `Handed`."""
        bus = self._radio.handed_on()
        return Belongings() if bus is None else Belongings({BUS: bus.descriptor}, bus.talk)


class HandedInputs:
    """The lines of the wired inputs, and the edges that wait in the kernel."""

    def __init__(self, inputs: WiredInputs, edges: Edges) -> None:
        self._inputs = inputs
        self._edges = edges

    def take_up(self, given: Belongings) -> frozenset[Descriptor]:
        """See `Handed`."""
        requests = {
            one.name: number
            for one, number in given.descriptors.items()
            if one.kind is DescriptorKind.INPUTS
        }
        self._inputs.take_up(requests)
        return frozenset(Descriptor(DescriptorKind.INPUTS, chip) for chip in requests)

    async def taken(self) -> None:
        """See `Handed`."""
        self._inputs.taken()

    def half_done(self) -> int:
        """See `Handed`: an edge that was read and not told would be lost."""
        return self._edges.waiting

    def alone(self) -> None:
        """See `Handed`."""

    def hand_on(self) -> None:
        """See `Handed`."""
        self._inputs.hand_on()

    def left(self) -> Belongings:
        """See `Handed`."""
        return Belongings(
            {
                Descriptor(DescriptorKind.INPUTS, chip): number
                for chip, number in self._inputs.handed_on().items()
            }
        )


class HandedSockets:
    """The listeners of the local sockets."""

    def __init__(self, api: LocalApi) -> None:
        self._api = api

    def take_up(self, given: Belongings) -> frozenset[Descriptor]:
        """See `Handed`."""
        listeners = {
            one.name: number
            for one, number in given.descriptors.items()
            if one.kind is DescriptorKind.LISTENER
        }
        self._api.take_up(listeners)
        return frozenset(Descriptor(DescriptorKind.LISTENER, name) for name in listeners)

    async def taken(self) -> None:
        """See `Handed`: `bind` has looked."""

    def half_done(self) -> int:
        """See `Handed`: who is cut off asks again."""
        return 0

    def hand_on(self) -> None:
        """See `Handed`."""
        self._api.hand_on()

    def alone(self) -> None:
        """See `Handed`."""

    def left(self) -> Belongings:
        """See `Handed`."""
        return Belongings(
            {
                Descriptor(DescriptorKind.LISTENER, name): number
                for name, number in self._api.handed_on().items()
            }
        )


class HandedTickets:
    """The tickets of phones, in memory that nobody can write to any more."""

    def __init__(self, tickets: TicketTable) -> None:
        self._tickets = tickets

    def take_up(self, given: Belongings) -> frozenset[Descriptor]:
        """See `Handed`. What cannot be read is no reason to hand anything back."""
        descriptor = given.descriptors.get(TICKETS)
        if descriptor is not None:
            with suppress(HubError, OSError):
                self._tickets.take_over(os.pread(descriptor, HANDED_BYTES_MAX + 1, 0))
            close(descriptor)
        return frozenset({TICKETS})

    async def taken(self) -> None:
        """See `Handed`."""

    def half_done(self) -> int:
        """See `Handed`."""
        return 0

    def hand_on(self) -> None:
        """See `Handed`."""

    def alone(self) -> None:
        """See `Handed`."""

    def left(self) -> Belongings:
        """See `Handed`. Without memory there are none: phones take the full path."""
        data = self._tickets.hand_over()
        try:
            memory = os.memfd_create("tickets", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        except OSError:
            return Belongings()
        try:
            os.pwrite(memory, data, 0)
            fcntl.fcntl(memory, fcntl.F_ADD_SEALS, _SEALS)
        except OSError:
            os.close(memory)
            return Belongings()
        return Belongings({TICKETS: memory})
