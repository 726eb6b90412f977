"""Examples of each command, and the questions that bring a technician to a hub.

Laws:
1. Each command of the table has at least one example, which can be typed as it stands.
2. A command that gives way to a program of hubd has its examples there.
3. It is loaded for help and for the manual alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hubctl.table import TABLE, Row, rows_of


class Example(NamedTuple):
    """What is typed, and what for."""

    typed: str
    says: str


QUESTIONS = (
    Example("hubctl status", "what is wrong, and what to do?"),
    Example("hubctl why", "why was a phone or a card refused?"),
    Example("hubctl policy why 3fa9c2 front", "would a credential open a door now?"),
    Example("hubctl uplink", "why is the way to the backend down?"),
    Example("hubctl bridge", "does a bridge of the site hold the records?"),
    Example("hubctl ble", "can phones find this hub?"),
    Example("hubctl trace", "where did the time of an unlock go?"),
    Example("hubctl devices", "which device is dead?"),
    Example("hubctl zwave", "which Z-Wave node is dead?"),
    Example("hubctl hub", "when does the certificate end?"),
    Example("hubctl clock", "can the clock be trusted?"),
    Example("sudo hubctl doctor", "is everything as it should be? (also without hubd)"),
    Example("hubctl why --help", "what does a command take? Or: hubctl help why"),
)
"""At the end of `hubctl --help`."""

OF_COMMAND: Mapping[str, Sequence[Example]] = {
    "status": (
        Example("hubctl status", "what is wrong comes first"),
        Example("hubctl status --watch", "again every 2 s"),
        Example("hubctl status -o ready,clock.state", "two fields, for a shell"),
    ),
    "top": (
        Example("hubctl top", "a screen that lives; ? shows its keys"),
        Example("hubctl top --plain", "one line a change, also into a file"),
    ),
    "why": (
        Example("hubctl why", "the last refusals, the newest first"),
        Example("hubctl why front", "those at the door front"),
        Example("hubctl why 3fa9c2", "those of a credential, by its beginning"),
    ),
    "doors": (
        Example("hubctl doors", "all doors"),
        Example("hubctl doors -o id,state", "two fields of each, for a shell"),
    ),
    "door NAME": (
        Example("hubctl door front", "by id, by name, or by an access point"),
        Example("hubctl door front -o mode,orders", "who holds it, for a shell"),
    ),
    "door NAME test": (
        Example("hubctl door front test", "drives nothing"),
        Example("sudo hubctl door front test --pulse", "drives it once, as a release"),
    ),
    "door NAME release": (
        Example("sudo hubctl door front release", "for as long as a phone gets"),
        Example("sudo hubctl door front release --for 10s", "for longer, up to the door's cap"),
    ),
    "door NAME lockdown": (
        Example("sudo hubctl door front lockdown", "also after a restart, until it is ended"),
    ),
    "door NAME normal": (Example("sudo hubctl door front normal", "says who still holds it"),),
    "devices": (
        Example("hubctl devices", "all devices; the last column says what is wrong"),
        Example("hubctl devices hall-light", "one device whole"),
        Example("hubctl devices -o id,answers,faults", "which one is dead, for a shell"),
    ),
    "osdp": (
        Example("hubctl osdp", "all card readers; what is wrong comes first"),
        Example("hubctl osdp -o id,secured,tamper", "for a shell"),
    ),
    "reader NAME": (Example("hubctl reader front-card", "one card reader whole"),),
    "zwave": (
        Example("hubctl zwave", "stick, service and nodes; what is wrong comes first"),
        Example("hubctl zwave 7", "node 7 whole; or by the id of its device"),
    ),
    "zwave include": (
        Example("hubctl zwave include --pin 34028", "the first five digits of the printed key"),
        Example("hubctl zwave include --pin 34028 --timeout 300", "wait for five minutes"),
    ),
    "zwave exclude": (Example("hubctl zwave exclude", "then press the button of the device"),),
    "zwave NODE ping": (Example("hubctl zwave 7 ping", "1 when it does not answer"),),
    "zwave NODE heal": (Example("hubctl zwave 7 heal", "takes minutes; not regularly"),),
    "zwave NODE remove-failed": (Example("hubctl zwave 7 remove-failed", "it must be dead"),),
    "hub": (
        Example("hubctl hub", "names, versions, the certificate's end"),
        Example("hubctl hub -o certificate.expires", "the end in Unix seconds"),
    ),
    "uplink": (
        Example("hubctl uplink", "where, since when, why not"),
        Example("hubctl uplink -o uplink.connected,uplink.why", "for a shell"),
    ),
    "bridge": (
        Example("hubctl bridge", "which, since when, what it does not hold"),
        Example("hubctl bridge -o bridge.phase,bridge.waiting", "for a shell"),
    ),
    "clock": (
        Example("hubctl clock", "0 when the clock is trusted, else 1"),
        Example("hubctl clock --json", "for machines"),
    ),
    "policy": (
        Example("hubctl policy", "the policy in force"),
        Example("hubctl policy -o version,age_seconds", "for a shell"),
    ),
    "policy why": (
        Example("hubctl policy why 3fa9c2 front", "now, at each access point of front"),
        Example("hubctl policy why 3fa9c2 front --at 2026-11-30T09:00", "by the site's clock"),
    ),
    "keys": (
        Example("hubctl keys", "what lies where, until when"),
        Example("hubctl keys -o role,id,ends", "for a shell"),
    ),
    "keys rotate": (
        Example("hubctl keys rotate uplink", "a new pair, known to the backend"),
        Example("hubctl keys rotate epoch --timeout 120", "the key that phones seal to"),
    ),
    "metrics": (
        Example("hubctl metrics", "on standard output"),
        Example("sudo hubctl metrics --textfile /var/lib/prometheus/node-exporter", "into a file"),
    ),
    "ble": (
        Example("hubctl ble", "0 when the hub is on air, else 1"),
        Example("hubctl ble --json", "for machines"),
    ),
    "trace": (
        Example("hubctl trace", "the last unlock, and where its time went"),
        Example("hubctl trace front --last 5", "five at one door"),
        Example("hubctl trace --follow", "each one as it happens"),
    ),
    "tail": (
        Example("hubctl tail", "until Ctrl-C"),
        Example("hubctl tail --door front --since 10min", "one door, with what was just now"),
        Example("hubctl tail --level warning", "what a technician should look at"),
        Example("hubctl tail --json", "one document a line, for machines"),
    ),
    "doctor": (
        Example("sudo hubctl doctor", "every check; root sees more"),
        Example("hubctl doctor --only hubd --only version", "these checks alone"),
    ),
    "config check": (
        Example("sudo hubctl config check", "would hubd start with it?"),
        Example("hubctl config check --file new.toml", "another file"),
    ),
    "config show": (
        Example("sudo hubctl config show", "each setting, with the defaults"),
        Example("hubctl config show --json", "for machines"),
    ),
    "audit list": (
        Example("sudo hubctl audit list", "the newest 20 records"),
        Example("sudo hubctl audit list --last 100", "more of them"),
        Example("sudo hubctl audit list --since 2h --until 1h", "those of a time"),
        Example("hubctl audit list --file copy.db", "of a copy, on any machine"),
    ),
    "audit show": (
        Example("sudo hubctl audit show 4711", "record 4711, its hash, and who has it"),
        Example("hubctl audit show 4711 --file copy.db --json", "of a copy, for machines"),
    ),
    "audit verify": (
        Example("sudo hubctl audit verify", "does the chain hold?"),
        Example("hubctl audit verify --file copy.db --json", "a copy, for machines"),
        Example("hubctl audit verify --export week.cbor --issuer issuer.cbor", "a file, anywhere"),
    ),
    "audit export": (
        Example("sudo hubctl audit export all.cbor", "every record, signed by the hub"),
        Example("sudo hubctl audit export week.cbor --since 7d", "those of a time"),
    ),
    "update": (
        Example("hubctl update", "which version runs, and what keeps the next one"),
        Example("hubctl update -o running.version,phase", "two fields, for a shell"),
    ),
    "update cache": (Example("hubctl update cache", "on the machine of a site's bridge"),),
    "update check": (Example("sudo hubctl update check", "at once, not within the hour"),),
    "update hold": (
        Example("sudo hubctl update hold", "stay at this version"),
        Example("sudo hubctl update hold --end", "take updates again"),
    ),
    "update rollback": (
        Example("sudo hubctl update rollback", "as soon as no phone waits and no door moves"),
    ),
    "update DIGEST let-out": (
        Example("sudo hubctl update 3fa9c2 let-out", "by the beginning of its digest"),
    ),
    "report": (
        Example("sudo hubctl report", "the last 7 days"),
        Example("sudo hubctl report --html week.html", "as a page"),
        Example("sudo hubctl report --days 30", "longer"),
    ),
    "bench": (
        Example("sudo hubctl bench", "some seconds; also beside a running hubd"),
        Example("hubctl bench --state . --json", "on another disk, for machines"),
    ),
    "bugreport": (
        Example("sudo hubctl bugreport", "a file in this folder"),
        Example("hubctl bugreport hub.tar.gz", "without root: it says what it could not see"),
    ),
    "clock trust": (Example("hubctl clock trust", "after timedatectl shows the right time"),),
    "state accept": (Example("hubctl state accept", "after `hubctl status` says `state`"),),
    "policy load": (
        Example("hubctl policy load /media/stick/policy", "a folder or a file on a stick"),
    ),
    "passback reset": (Example("hubctl passback reset", "for everybody"),),
    "passback CREDENTIAL reset": (
        Example("hubctl passback 3fa9c2d18b7e40c2 reset", "whole, as `hubctl audit list` shows it"),
    ),
    "reader NAME install": (
        Example("hubctl reader front-card install", "a reader new from its maker"),
    ),
    "reader NAME change-key": (
        Example("hubctl reader front-card change-key", "after next_key is in hubd.toml"),
    ),
}


def of_row(
    row: Row,
    of_command: Mapping[str, Sequence[Example]] = OF_COMMAND,
    table: Sequence[Row] = TABLE,
    typed: str = "hubctl",
) -> str:
    """Return what stands at the end of a command's help; "" for a program of hubd."""
    found = of_command.get(row.words)
    if found is None:
        return ""
    beside = [
        Example(f"{typed} {one.words}", one.says) for one in rows_of(row.noun, table) if one != row
    ]
    parts = [_part("Examples", found)]
    if beside:
        parts.append(_part("See also", beside))
    return "\n\n".join(parts)


def questions(asked: Sequence[Example] = QUESTIONS) -> str:
    """Return what stands at the end of `hubctl --help`."""
    return _part("Questions", asked)


def lines_of(examples: Sequence[Example]) -> Iterator[str]:
    """Yield a line an example, what it is for in one column."""
    width = max(len(one.typed) for one in examples)
    for one in examples:
        yield f"  {one.typed:<{width}}  {one.says}"


def _part(title: str, examples: Sequence[Example]) -> str:
    """Return a part of a help text that click leaves as it is."""
    return "\n".join(["\b", f"{title}:", *lines_of(examples)])
