"""How much, how often and for how long the hub talks with the backend."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The numbers of the talk: records, orders and seconds."""

    window: int = 256
    """So many records may be sent and not yet acknowledged."""
    releases_in_flight: int = 4
    """So many releases are carried out at the same time."""
    releases_waiting: int = 4
    """So many more may wait for their turn; any beyond is answered with BUSY."""
    orders_waiting: int = 4
    """So many orders for doors may wait for their turn; any beyond is answered with BUSY."""
    acts_in_flight: int = 8
    """So many commands of devices are carried out at the same time: a shutter travels for long."""
    acts_waiting: int = 8
    """So many more may wait for their turn; any beyond is refused."""
    telemetry_seconds: float = 5.0
    """Between two messages of telemetry."""
    update_seconds: float = 60.0
    """Between two looks at how updates stand, and so between two messages of that."""
    welcome_seconds: float = 10.0
    """After a Hello without Welcome, until the next Hello."""
    hellos: int = 3
    """So many Hellos without a Welcome; then the uplink is given up."""
    acknowledge_seconds: float = 10.0
    """After a record without any receipt, until records are sent again."""
    acknowledge_cap_seconds: float = 300.0
    """That wait doubles each time without a receipt, up to this."""
    held_seconds: float = 120.0
    """After a carrier said that it has a record, until that goes again without a receipt."""
    ping_seconds: float = 30.0
    """Without a message from the backend, until a Ping."""
    silent_seconds: float = 60.0
    """Without a message from the backend, until it counts as silent and gets a Hello."""
    measure_seconds: float = 600.0
    """After a measure of the backend's time, until a Ping for the next one."""
    halted_seconds: float = 60.0
    """Between two Hellos to a backend that has said Halt."""
    halt_again_seconds: float = 30.0
    """After a Halt, others of its cause are ignored for so long."""
    greet_again_seconds: float = 60.0
    """Between two Hellos that the hub says while it speaks."""
    certificate_seconds: float = 6 * 3600.0
    """Between two questions for a newer certificate, once a third of its life is left."""
    retry_seconds: float = 1.0
    """Until the next try, when the uplink or the disk took nothing."""
    pieces_seconds: float = 10.0
    """Without a piece of a policy that was asked for, until they are asked for again."""
    refused_seconds: float = 1.0
    """After a refused policy, until the next one is looked at."""
    refused_cap_seconds: float = 30.0
    """That wait doubles with each refused policy, up to this, until one is accepted."""
