"""Which topics of the table a running hub of this configuration judges.

Laws:
1. A topic that nothing here can be wrong with is left out: it is never shown as well.
2. What only `hubd --check-config` looks at is left out, too.
"""

from __future__ import annotations

from collections.abc import Iterator

from hubcore.checks import Topic
from hubd.config.file import Config
from hubd.config.movers import Maglock, RelayStrike, Strike

ALWAYS = frozenset(
    {
        Topic.AUDIT,
        Topic.CERTIFICATE,
        Topic.CLOCK,
        Topic.DISK,
        Topic.EPOCH,
        Topic.HOLD,
        Topic.JOURNAL,
        Topic.OUTBOX,
        Topic.RADIO,
        Topic.RECORDS,
        Topic.STATE,
        Topic.USES,
    }
)
OF_BLUEZ = frozenset({Topic.BLUEZ, Topic.PAIRING})
OF_GPIO = frozenset({Topic.STRIKES, Topic.GPIO, Topic.GUARD})
OF_RELAYS = frozenset({Topic.RELAY_STRIKES})
OF_INPUTS = frozenset({Topic.INPUTS})
OF_LOCKS = frozenset(
    {Topic.LOCKS, Topic.LOCKS_DEAD, Topic.LOCKS_JAMMED, Topic.LOCKS_REFUSE, Topic.LOCKS_WEAK}
)
OF_DEVICES = frozenset(
    {
        Topic.DEVICES_DEAD,
        Topic.DEVICES_GONE,
        Topic.DEVICES_JAMMED,
        Topic.DEVICES_NOT_SECURE,
        Topic.DEVICES_REFUSE,
        Topic.DEVICES_SERVICE,
        Topic.DEVICES_STRANGE,
        Topic.DEVICES_TAMPERED,
        Topic.DEVICES_VERSION,
        Topic.DEVICES_WEAK,
    }
)
OF_READERS = frozenset(
    {
        Topic.READERS,
        Topic.READER_CHATTERS,
        Topic.READER_GONE,
        Topic.READER_LINE,
        Topic.READER_NOT_PROVEN,
        Topic.READER_POWER,
        Topic.READER_TAMPER,
    }
)
OF_BACKEND = frozenset(
    {
        Topic.BACKEND,
        Topic.EVIDENCE,
        Topic.FORK,
        Topic.GAP,
        Topic.TAIL_CUT,
        Topic.TWO_HUBS,
        Topic.POLICY,
        Topic.UPLINK_KEY,
    }
)
OF_BRIDGE = frozenset(
    {
        Topic.BRIDGE,
        Topic.BRIDGE_CERTIFICATE,
        Topic.BRIDGE_FULL,
        Topic.BRIDGE_WITNESS,
        Topic.MANDATES,
    }
)
OF_OFFLINE = frozenset({Topic.OFFLINE})
OF_TLS = frozenset({Topic.TLS})
OF_TRIALS = frozenset({Topic.TRIALS})
"""What is only told to whoever has the parts tried."""
BEFORE_A_START = frozenset(
    {
        Topic.BLUEZ_VERSION,
        Topic.EXPOSURE,
        Topic.FIREWALL,
        Topic.KEYS,
        Topic.LINES,
        Topic.LISTENING,
        Topic.OPENZWAVE,
        Topic.PORTS,
        Topic.SERVICE,
        Topic.SOCKET,
        Topic.UNIT,
        Topic.WATCHDOG,
        Topic.WEAR,
        Topic.ZWAVE,
    }
)
"""What `hubd --check-config` alone looks at."""


def judged(config: Config) -> frozenset[Topic]:
    """Return the topics that a running hub of this configuration judges."""
    return ALWAYS.union(*_of_parts(config))


def _of_parts(config: Config) -> Iterator[frozenset[Topic]]:
    yield OF_BLUEZ
    movers = [mover for door in config.doors for mover in door.moved_by]
    if any(isinstance(mover, Strike | Maglock) for mover in movers):
        yield OF_GPIO
    if any(isinstance(mover, RelayStrike) for mover in movers):
        yield OF_RELAYS
    if any(door.inputs() for door in config.doors):
        yield OF_INPUTS
    if config.door_locks:
        yield OF_LOCKS
    if config.devices or config.door_locks:
        yield OF_DEVICES
    if config.readers:
        yield OF_READERS
    if config.backend is not None:
        yield OF_BACKEND
    if config.bridges:
        yield OF_BRIDGE
    if any(door.offline_seconds_max is not None for door in config.doors):
        yield OF_OFFLINE
    if config.keys.tls_certificate is not None:
        yield OF_TLS
