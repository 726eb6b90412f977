"""Who may know whom, and a few habits: kept over the syntax trees of every file, and shown to
notice each violation.

The rules are those of docs/start-here.md, "The house". A new file at the top of `hubd` may know
nothing until ROOMS says otherwise, so that the strict rule is the default.
"""

from __future__ import annotations

import ast
import configparser
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
ANY = frozenset({"*"})
IMPURE = frozenset(
    {"asyncio", "time", "os", "random", "secrets", "socket", "sqlite3", "logging", "threading"}
)
WORLDLY = frozenset({"socket", "sqlite3", "subprocess", "ssl"})
CLOCK_CALLS = frozenset({"now", "utcnow", "today"})
CHANCE_CALLS = frozenset({"generate_private_key", "generate_key", "generate_parameters"})
TOPS = (
    "hubcore",
    "drivers",
    "hubd",
    "hubctl",
    "hubbridge",
    "hubgateway",
    "hublocal",
    "hubsite",
    "hubterm",
    "hubtls",
    "hubupdate",
    "hubsim",
)
FILES_A_ROOM_MAX = 12


@dataclass(frozen=True)
class Room:
    """What the modules of one room may import: project modules by prefix, libraries by name, and
    which stdlib not.
    """

    project: frozenset[str]
    libraries: frozenset[str] = ANY
    not_stdlib: frozenset[str] = field(default=frozenset())


def _room(project: str, libraries: str = "*", not_stdlib: frozenset[str] = frozenset()) -> Room:
    return Room(frozenset(project.split()), frozenset(libraries.split()), not_stdlib)


PURE = IMPURE | WORLDLY
GROUND = "hubcore.errors hubcore.timing"
ACCESS = f"hubcore.access hubcore.calendar hubcore.door hubcore.codec {GROUND}"

ROOMS: dict[str, Room] = {
    "hubcore": _room("", "", PURE),
    "hubcore.errors": _room("", "", PURE),
    "hubcore.version": _room("", "", PURE),
    "hubcore.timing": _room("hubcore.timing", "", PURE),
    "hubcore.codec": _room("hubcore.codec hubcore.errors", "cbor2 cryptography", PURE),
    "hubcore.door": _room(f"hubcore.door {GROUND}", "", PURE),
    "hubcore.calendar": _room(f"hubcore.calendar hubcore.codec {GROUND}", "", PURE),
    "hubcore.access": _room(ACCESS, "", PURE),
    "hubcore.policy": _room(f"hubcore.policy {ACCESS}", "", PURE),
    "hubcore.device": _room(f"hubcore.device {GROUND}", "", PURE),
    "hubcore.evidence": _room(f"hubcore.evidence {ACCESS}", "", PURE),
    "hubcore.phone": _room(f"hubcore.phone {ACCESS}", "cryptography", PURE),
    "hubcore.pkoc": _room(
        "hubcore.pkoc hubcore.codec hubcore.errors hubcore.timing", "cryptography", PURE
    ),
    "hubcore.backend": _room(
        f"hubcore.backend hubcore.device hubcore.evidence hubcore.policy {ACCESS}", "", PURE
    ),
    "hubcore.backend.uplink": _room(
        f"hubcore.backend.uplink hubcore.device hubcore.evidence hubcore.policy {ACCESS}", "", PURE
    ),
    "hubcore.backend.enrolment": _room(
        "hubcore.backend.enrolment hubcore.backend.uplink.fields hubcore.backend.uplink.words "
        "hubcore.codec hubcore.errors hubcore.timing.pace",
        "",
        PURE,
    ),
    "hubcore.backend.enrolment.ofsite": _room(
        "hubcore.backend.enrolment hubcore.codec hubcore.errors hubcore.phone.certificates",
        "",
        PURE,
    ),
    "hubcore.issuing": _room(
        f"hubcore.issuing hubcore.bridge hubcore.evidence hubcore.phone.certificates "
        f"hubcore.policy {ACCESS}",
        "",
        PURE,
    ),
    "hubcore.issuing.hubasks": _room(
        "hubcore.backend.enrolment.messages hubcore.backend.uplink.fields "
        "hubcore.backend.uplink.words hubcore.codec hubcore.errors",
        "",
        PURE,
    ),
    "hubcore.issuing.limits": _room(
        "hubcore.issuing.words hubcore.bridge.mandate hubcore.policy.policy", "", PURE
    ),
    "hubcore.issuing.rules": _room(
        "hubcore.issuing hubcore.access hubcore.bridge.mandate hubcore.phone.certificates "
        "hubcore.policy.policy",
        "",
        PURE,
    ),
    "hubcore.bridge": _room(
        f"hubcore.bridge hubcore.backend hubcore.device hubcore.evidence hubcore.policy {ACCESS}",
        "",
        PURE,
    ),
    "hubcore.checks": _room("hubcore.checks hubcore", "", PURE),
    "hubcore.afar": _room("hubcore.checks", "", PURE),
    "hubcore.update": _room(
        f"hubcore.update hubcore.calendar hubcore.codec hubcore.ports.clock {GROUND}", "", PURE
    ),
    "hubcore.update.slots": _room("hubcore.update.image", "", PURE),
    "hubcore.update.health": _room("", "", PURE),
    "hubcore.ports": _room(
        f"hubcore.ports hubcore.device hubcore.evidence hubcore.policy {ACCESS}", "", PURE
    ),
    "hubcore.ports.keys": _room("hubcore.backend.ownkeys", "", PURE),
    "drivers": _room("drivers hubcore.door.state hubcore.ports hubcore.errors"),
    "drivers.relays": _room(
        "drivers.relays hubcore.device hubcore.ports.device hubcore.errors", "minimalmodbus serial"
    ),
    "drivers.relays.strike": _room(
        "drivers.relays.boards drivers.strike.stretch hubcore.device hubcore.door.state "
        "hubcore.ports.doors hubcore.errors",
        "",
    ),
    "drivers.relays.strikes": _room(
        "drivers.relays.boards drivers.relays.strike hubcore.device hubcore.errors", ""
    ),
    "drivers.zwave_js": _room(
        "drivers.zwave_js hubcore.device hubcore.ports.device hubcore.ports.network hubcore.errors",
        "zwave_js_server aiohttp",
    ),
    "drivers.lock": _room(
        "drivers.lock drivers.strike.stretch hubcore.device hubcore.door.state "
        "hubcore.ports.doors hubcore.errors",
        "",
    ),
    "drivers.openzwave": _room(
        "drivers.openzwave drivers.packets hubcore.device hubcore.ports.device hubcore.errors", ""
    ),
    "drivers.openzwave.wire": _room("hubcore.device", "", PURE),
    "drivers.openzwave.orders": _room("drivers.openzwave.wire hubcore.device", "", PURE),
    "drivers.openzwave.reports": _room("drivers.openzwave.wire hubcore.device", "", PURE),
    "drivers.openzwave.values": _room("drivers.openzwave.wire hubcore.device", "", PURE),
    "drivers.osdp": _room(
        "drivers.osdp drivers.packets hubcore.ports.reader hubcore.errors", "osdp_sys"
    ),
    "drivers.osdp.gate": _room("", "", PURE),
    "drivers.osdp.pace": _room("hubcore.ports.reader", "", PURE),
    "drivers.osdp.wire": _room("drivers.osdp.wire hubcore.ports.reader", "", PURE),
    "drivers.osdp.wire.words": _room("", "", PURE),
    "hubd.threads": _room("hubcore.errors", "", WORLDLY),
    "hubd.__init__": _room("", "", PURE),
    "hubd.config": _room("hubd.config hubcore", "msgspec", WORLDLY),
    "hubd.config.mistakes.sentences": _room("", "", PURE),
    "hubd.config.mistakes.place": _room("hubd.config.mistakes.sentences", "", PURE),
    "hubd.config.mistakes.explain": _room(
        "hubd.config.mistakes.place hubd.config.mistakes.sentences", "msgspec", PURE
    ),
    "hubd.doors": _room("hubd.doors hubd.threads hubd.recording hubcore", "", WORLDLY),
    "hubd.doors.unlock": _room(
        "hubcore.access hubcore.backend hubcore.door hubcore.evidence hubcore.ports hubcore.errors "
        "hubd.doors.decisionlog hubd.doors.judge hubd.doors.drive hubd.doors.operation "
        "hubd.doors.operations hubd.doors.persons hubd.doors.rules hubd.doors.uses",
        "",
        WORLDLY,
    ),
    "hubd.readers": _room(
        "hubd.readers hubd.doors.decisionlog hubd.doors.operation hubd.doors.recall "
        "hubcore.checks "
        "hubd.upkeep.standing hubd.recording hubcore",
        "structlog",
        WORLDLY,
    ),
    "hubd.orders": _room(
        "hubd.orders hubd.doors.judge hubd.doors.persons hubd.doors.recall hubd.recording hubcore",
        "",
        WORLDLY,
    ),
    "hubd.devices": _room(
        "hubd.devices hubd.doors.judge hubd.doors.recall hubd.recording hubcore",
        "structlog",
        WORLDLY,
    ),
    "hubd.phones": _room("hubd.phones hubd.threads hubcore", "cryptography structlog", WORLDLY),
    "hubd.pkoc": _room(
        "hubd.pkoc hubd.doors.decisionlog hubd.doors.operation hubcore",
        "cryptography structlog",
        WORLDLY,
    ),
    "hubd.backend": _room("hubd.backend hubd.threads hubcore", "structlog", WORLDLY),
    "hubd.bridge": _room(
        "hubd.bridge hubd.backend.policies hubd.backend.breaks hubd.backend.beside.certificates "
        "hubd.backend.beside.renewal hubcore",
        "structlog",
        WORLDLY,
    ),
    "hubd.bridge.mandates": _room("hubcore", "", PURE),
    "hubd.bridge.ends": _room("hubcore", "", PURE),
    "hubcore.bridge.search": _room("hubcore.bridge.search hubcore.errors", "", PURE),
    "hubd.bridge.state": _room("hubcore", "", PURE),
    "hubd.evidence": _room("hubd.evidence hubd.recording hubd.threads hubcore", "", WORLDLY),
    "hubd.policy": _room(
        "hubd.policy hubd.doors hubcore.checks hubd.upkeep.health hubd.threads hubd.recording "
        "hubcore",
        "",
        WORLDLY,
    ),
    "hubd.upkeep": _room(
        "hubd.upkeep hubd.evidence hubd.backend hubd.devices hubd.doors hubd.orders hubd.threads "
        "hubcore",
        "",
        WORLDLY,
    ),
    "hubd.building.topics": _room("hubd.config.file hubd.config.movers hubcore.checks", "", PURE),
    "hubd.upkeep.looks": _room(
        "hubcore.checks hubd.backend.state hubd.bridge.state hubcore", "", PURE
    ),
    "hubd.upkeep.selfcheck": _room("hubd.upkeep hubd.backend hubd.bridge.way hubcore", "", WORLDLY),
    "hubd.upkeep.denials": _room("hubd.doors.operation hubd.config.file hubcore", "", WORLDLY),
    "hubd.upkeep.shown": _room(
        "hubd.upkeep hubd.devices hubd.readers hubd.config hubcore", "", WORLDLY
    ),
    "hubd.upkeep.status": _room(
        "hubd.upkeep hubd.backend hubd.bridge.way hubd.devices hubd.doors hubd.orders hubd.config "
        "hubcore",
        "",
        PURE,
    ),
    "hubd.enrolment": _room(
        "hubd.enrolment hubd.adapters.curve hubd.adapters.keys hubd.config hubcore",
        "cryptography zmq",
    ),
    "hubd.netcheck": _room(
        "hubd.netcheck hubd.adapters.bridge hubd.adapters.curve hubd.adapters.keys "
        "hubd.adapters.host.kerneltime hubd.config hubcore",
        "zmq",
    ),
    "hubd.wiring": _room("hubd.wiring hubd.config hubd.adapters hubcore.checks drivers hubcore"),
    "hubd.wiring.look": _room(
        "hubd.wiring.look hubd.config hubd.adapters hubcore.checks drivers.gpio hubcore"
    ),
    "hubd.wiring.look.finding": _room("hubcore.checks", "msgspec", PURE),
    "hubd.wiring.securing": _room(
        "hubd.config.section drivers.gpio.lines drivers.strike.wire hubcore.errors",
        "msgspec",
        IMPURE | WORLDLY,
    ),
    "hubd.wiring.parts": _room(
        "hubcore.device hubcore.ports hubd.adapters.keys.keyfiles hubd.config hubcore.checks "
        "hubd.wiring.handed.belongings drivers.lock.commands",
        "",
        WORLDLY,
    ),
    "hubd.wiring.mover_group": _room(
        "hubcore.door.state hubcore.ports hubcore.errors", "", WORLDLY
    ),
    "hubd.technician": _room(
        "hubd.technician hubd.config.doors hubd.doors hubd.orders hubcore.checks "
        "hubd.upkeep.denials hubd.upkeep.status hubcore",
        "",
        WORLDLY,
    ),
    "hubd.technician.names": _room("hubd.config.doors hubcore.errors", "", PURE),
    "hubd.technician.report": _room(
        "hubd.technician hubd.config.doors hubd.doors hubd.orders hubcore.checks "
        "hubd.upkeep.status hubcore",
        "",
        PURE,
    ),
    "hubd.technician.would": _room(
        "hubd.technician.names hubd.technician.cardindex hubd.upkeep.denials hubcore", "", PURE
    ),
    "hublocal": _room("hublocal hubcore", "msgspec", frozenset({"sqlite3", "subprocess", "ssl"})),
    "hublocal.owner": _room("", "", PURE),
    "hublocal.places": _room("hubcore.timing", "", PURE),
    "hublocal.messages": _room("hubcore.localapi", "msgspec", PURE),
    "hublocal.tail.events": _room("hubcore.redaction", "msgspec", frozenset({"os", *WORLDLY})),
    "hubd.adapters": _room("hubd.adapters hubd.threads hubd.config hublocal hubcore"),
    "hubd.start": _room(
        "hubd.start hubd.wiring hubd.config hubd.adapters.host hubd.adapters.keys "
        "hubd.adapters.sqlite "
        "hubcore.checks hubcore",
        "msgspec",
        WORLDLY,
    ),
    "hubd.start.selftest": _room("hubd hubcore", "", WORLDLY),
    "hubd.start.secure": _room(
        "hubd.wiring.securing hubterm.output hubcore.errors", "msgspec", WORLDLY
    ),
    "hubd.enrolment.__main__": _room(
        "hubd.enrolment hubterm hubcore.backend.enrolment hubcore.errors", "click"
    ),
    "hubd.netcheck.__main__": _room(
        "hubd.netcheck hubterm hubd.adapters.host.kerneltime hubd.adapters.keys.uplinkkeys "
        "hubd.config.file hubd.config.keys hubcore.codec.tls hubcore.errors",
        "click",
    ),
    "hubd.takeover": _room("hubd.takeover hubcore", "", WORLDLY),
    "hubd.takeover.neighbours": _room("hubcore.update.packets", "", PURE),
    "hubd.recording": _room("hubcore.evidence hubcore.ports", "", PURE),
    "hubd.stores": _room(
        "hubd.adapters.sqlite hubd.adapters.host.signed_file hubcore", "", WORLDLY
    ),
    "hubd.networks": _room("hubd.networks hubd.recording hubcore", "", WORLDLY),
    "hubd.trying": _room(
        "hubd.trying hubd.backend.state hubd.recording hubcore.checks hubcore", "", WORLDLY
    ),
    "hubd.keys": _room(
        "hubd.keys hubd.adapters.keys hubd.backend.rotation hubd.config hubd.recording hubcore",
        "",
        WORLDLY,
    ),
    "hubd.calls": _room(
        "hubd.trying hubd.calls hublocal.calls hublocal.peer hublocal.roles "
        "hubd.evidence.sealing "
        "hubd.keys hubd.networks hubd.orders.passback "
        "hubd.orders.from_technician hubd.phones hubd.policy hubd.readers hubd.technician "
        "hubd.threads hubd.upkeep hubcore",
        "",
        WORLDLY,
    ),
    "hubd.app": _room(
        "hubd.adapters.host hubd.adapters.keys "
        "hubd.adapters.local hublocal.roles hubd.backend hubd.bridge hubd.building "
        "hubd.config.file hubd.doors hubd.evidence hubd.networks hubd.orders hubd.phones "
        "hubd.policy hubd.readers hubd.stores hubd.takeover.changing hubd.technician hubd.upkeep "
        "hubd.wiring.handed hubd.wiring.parts hubcore"
    ),
    "hubd.building": _room(
        "hubd.building hubd.adapters.host hubd.adapters.keys hubd.adapters.smallfile "
        "hubd.adapters.local hubd.adapters.sqlite hubd.backend hubd.bridge hubd.calls "
        "hublocal.calls hublocal.tail.events "
        "hubd.config.file hubd.config.radio hubd.devices hubd.doors hubd.evidence "
        "hubd.takeover hubd.keys "
        "hubd.orders hubd.phones "
        "hubd.networks hubd.pkoc hubd.policy hubd.readers hubd.stores hubd.technician hubd.trying "
        "hubd.upkeep hubd.wiring.parts hubcore"
    ),
    "hubd.session": _room(
        "hubd.session hubd.adapters.host hubd.ahead "
        "hubd.app hubd.config.file hubd.recording hubd.stores hubd.takeover.changing hubd.upkeep "
        "hubd.wiring.handed.belongings hubd.wiring.parts hubcore"
    ),
    "hubd.ahead": _room("hubd.adapters.keys hubd.config.file hubd.stores", "", WORLDLY),
    "hubd.rehearsal": _room(
        "hubd.adapters.keys.keyfiles hubd.app hubd.config.file hubd.recording hubd.stores "
        "hubd.takeover.changing hubd.wiring.parts hubcore",
        "msgspec",
        WORLDLY,
    ),
    "hubd.serve": _room(
        "hubd.adapters.host hubd.adapters.takeover hubd.ahead hubd.config.file hubd.handing "
        "hubd.rehearsal hubd.session hubd.takeover hubd.wiring.parts hubcore"
    ),
    "hubd.handing": _room(
        "hubd.handing hubd.session hubd.takeover hubd.adapters.host hubd.adapters.takeover "
        "hubd.wiring.handed drivers.processes hubcore",
        "",
        WORLDLY,
    ),
    "hubd.handing.checking": _room(
        "hubd.adapters.host.clock hubd.adapters.keys hubd.adapters.sqlite.audit_start hubd.ahead "
        "hubd.building.evidence hubd.building.phones hubd.config.file hubd.stores hubd.threads "
        "hubcore",
        "",
        WORLDLY,
    ),
    "hubd.wiring.handed.belongings": _room(
        "hubcore.update.packets", "", frozenset({"asyncio", "time", "random", *WORLDLY})
    ),
    "hubd.takeover.calls": _room(
        "hubd.calls.words hubd.takeover.changing hublocal.calls hublocal.roles hubcore.version",
        "",
        WORLDLY,
    ),
    "hubd.handing.programs": _room("hubcore.errors", "", WORLDLY),
    "hubd.__main__": _room(
        "hubd.serve hubd.start hubd.config hubd.wiring hubterm.output hubd.adapters.host "
        "hubd.adapters.keys hubcore.version hubcore.errors",
        "",
    ),
    "hubterm": _room("hubterm hubcore.timing", "click", WORLDLY),
    "hubterm.output": _room("hubterm.exits", "", WORLDLY),
    "hubctl": _room("hubctl hubterm hubcore", "click rich", frozenset({"sqlite3"})),
    "hubctl.commands.act.enroll": _room("", "click", WORLDLY),
    "hubctl.bench": _room("hubctl.bench hubcore", "cryptography"),
    "hubctl.bench.timing": _room("", "", frozenset({"asyncio", "os", "random", *WORLDLY})),
    "hubctl.bench.radio": _room("hubctl.bench.timing hubterm.text", "dbus_fast", WORLDLY),
    "hubctl.commands.care.bench": _room("hubctl hubterm", "click"),
    "hubctl.commands.audit": _room("hubctl hubterm hubcore", "click"),
    "hubctl.evidence": _room("hubctl.evidence hubterm.progress hubcore", ""),
    "hubctl.gathering": _room("hubctl hubterm hubcore", "", frozenset({"sqlite3"})),
    "hubctl.gathering.databases": _room("hubctl.evidence hubterm hubcore", ""),
    "hubctl.gathering.redacting": _room("hubcore.evidence.facts", "", PURE),
    "hubctl.report": _room("hubctl.report hubterm.text hubterm.shapes hubcore", "", PURE),
    "hubctl.report.reading": _room(
        "hubctl.report.sums hubctl.answers hubctl.client hubctl.evidence hubterm.progress hubcore",
        "",
    ),
    "hubctl.site.pages": _room(
        "hubctl.site.pages hubctl.kept hubctl.page hubterm.shapes hubterm.text", "", PURE
    ),
    "hubctl.top": _room("hubctl hubterm", "", WORLDLY | {"curses"}),
    "hubctl.top.screen": _room("hubctl.top.shown hubterm.endings", "", WORLDLY),
    "hubctl.top.shown": _room(
        "hubctl.top.shown hubctl.kept hubctl.show hubterm.shapes hubterm.text",
        "rich",
        PURE | {"curses"},
    ),
    "hubbridge.__init__": _room("", "", PURE),
    "hubbridge.config": _room(
        "hubbridge.rules.room hubtls.identity hubcore.errors hubcore.localapi", "msgspec", WORLDLY
    ),
    "hubbridge.__main__": _room("hubbridge.app hubbridge.config hubcore", ""),
    "hubbridge.app": _room("hubbridge hublocal hubtls hubcore", ""),
    "hubbridge.backend": _room(
        "hubbridge.backend hubbridge.hubs.papers hubbridge.policy.cache hubbridge.renewal.own "
        "hubbridge.rules hubtls hubcore",
        "",
    ),
    "hubbridge.hubs": _room(
        "hubbridge.hubs hubbridge.policy.cache hubbridge.port.hubsport hubbridge.rules "
        "hubbridge.store.meeting hubbridge.store.offering "
        "hubtls.ends hubtls.line hubcore",
        "",
    ),
    "hubbridge.hubs.doors": _room("hubcore", "", PURE),
    "hubbridge.hubs.happenings": _room("hubbridge.hubs.state hubcore", "", PURE),
    "hubbridge.hubs.keeping": _room("hubbridge.rules.proven hubcore.evidence.records", ""),
    "hubbridge.hubs.papers.ended": _room("hubbridge.hubs.papers.mandates hubcore", "", PURE),
    "hubbridge.hubs.papers.mandates": _room("hubcore", "", PURE),
    "hubbridge.hubs.state": _room("hubbridge.hubs.doors hubcore", "", PURE),
    "hubbridge.local": _room(
        "hubbridge.local hubbridge.config hubbridge.hubs.state hubbridge.rules "
        "hubbridge.siteorders hubbridge.told hublocal hubcore",
        "",
        WORLDLY,
    ),
    "hubbridge.local.report": _room(
        "hubbridge.local.report hubbridge.hubs.state hubbridge.rules hubbridge.siteorders hubcore",
        "",
        PURE,
    ),
    "hubbridge.local.words": _room("hublocal.calls hubcore", "", PURE),
    "hubbridge.told": _room("hubcore", "", PURE),
    "hubbridge.policy": _room("hubbridge.policy hubcore", ""),
    "hubbridge.policy.files": _room("hubterm.files hubcore", "", WORLDLY),
    "hubbridge.port": _room("hubbridge.port hubbridge.rules hubtls hubcore", ""),
    "hubbridge.renewal": _room("hubbridge.renewal hubbridge.rules hubtls hubcore", "", WORLDLY),
    "hubbridge.renewal.files": _room("hubterm.files hubcore", "", WORLDLY),
    "hubbridge.rules.nextkey": _room("", "", PURE),
    "hubbridge.rules": _room("hubbridge.rules hubtls.peers hubcore", "", PURE),
    "hubbridge.rules.kept": _room("hubcore.errors hubcore.evidence.records", "", PURE),
    "hubbridge.rules.papers": _room("hubcore", "", PURE),
    "hubbridge.rules.peers": _room("hubcore.bridge.ends hubtls.peers", "", PURE),
    "hubbridge.rules.room": _room("", "", PURE),
    "hubbridge.rules.turns": _room("", "", PURE),
    "hubbridge.siteorders": _room("hubbridge.rules hubcore", ""),
    "hubbridge.store": _room("hubbridge.store hubbridge.rules hubcore", ""),
    "hubbridge.store.jobs": _room(
        "hubbridge.store.rows hubbridge.rules hubcore.bridge.ends hubcore.errors "
        "hubcore.evidence.records",
        "",
    ),
    "hubgateway": _room("hubgateway hubcore", "nats zmq"),
    "hubgateway.bridges": _room("hubgateway hubtls hubcore", "nats"),
    "hubgateway.issuer": _room("hubgateway hubcore", "click cryptography zmq"),
    "hubgateway.issuer.holding": _room(
        "hubgateway.issuer.holding hubgateway.config hubcore", "click cryptography"
    ),
    "hubgateway.issuer.holding.files": _room(
        "hubgateway.config hubterm.files hubcore", "cryptography", WORLDLY
    ),
    "hubgateway.issuer.holding.token": _room(
        "hubgateway.issuer.holding.tokenuri hubcore", "cryptography pkcs11", WORLDLY
    ),
    "hubgateway.issuer.holding.tokenkeys": _room(
        "hubgateway.issuer.holding.token hubgateway.issuer.holding.tokenuri hubcore",
        "cryptography pkcs11",
        WORLDLY,
    ),
    "hubgateway.issuer.holding.tokenuri": _room("hubcore.errors", "", PURE),
    "hubgateway.issuer.signing": _room(
        "hubgateway.issuer.signing hubgateway.issuer.holding hubgateway.config hubgateway.notify "
        "hublocal hubtls "
        "hubcore",
        "click cryptography msgspec",
    ),
    "hubgateway.issuer.signing.client": _room("hubtls hubcore", "cryptography"),
    "hubgateway.issuer.signing.desk": _room(
        "hubgateway.authority hubgateway.engine.engine hubgateway.engine.visit "
        "hubgateway.issuer.holding hubgateway.issuer.office hubgateway.issuer.signing hubcore",
        "zmq",
        WORLDLY,
    ),
    "hubgateway.issuer.signing.lastpolicy": _room(
        "hubgateway.issuer.signing.log hubterm.files hubcore", "", WORLDLY
    ),
    "hubgateway.issuer.signing.log": _room("hubcore", "", WORLDLY),
    "hubgateway.issuer.signing.signer": _room(
        "hubgateway.issuer.signing hubcore", "", IMPURE | WORLDLY
    ),
    "hubgateway.issuer.signing.talk": _room(
        "hubgateway.issuer.signing.signer hubtls.line hubcore", "", WORLDLY
    ),
    "hubgateway.issuer.office": _room(
        "hubgateway.issuer.office hubgateway.bridges.directory "
        "hubgateway.engine hubgateway.rules hubcore",
        "",
        PURE,
    ),
    "hubgateway.config": _room("hubcore.backend.ways hubcore.errors", "msgspec zmq", WORLDLY),
    "hubgateway.engine.account": _room(
        "hubgateway.config hubcore.errors", "cryptography nats", WORLDLY
    ),
    "hubgateway.engine.rights": _room("", "", PURE),
    "hubgateway.engine.visit": _room("hubgateway.engine hubgateway.config", "", WORLDLY),
    "hubgateway.engine.vouching": _room("hubcore.errors", "nats", frozenset({"socket", "sqlite3"})),
    "hubgateway.rules": _room("hubgateway.rules hubcore", "", PURE),
    "hubgateway.rules.names": _room("", "", PURE),
    "hubgateway.bridges.directory": _room("hubgateway.rules.names hubcore", "", PURE),
    "hubgateway.rules.certificates": _room("hubcore", "", PURE),
    "hubgateway.rules.hubpace": _room("hubcore", "", PURE),
    "hubgateway.rules.keyindex": _room("hubgateway.rules.names", "", PURE),
    "hubgateway.rules.keyring": _room("hubgateway.rules.names hubcore", "", PURE),
    "hubgateway.rules.lanes": _room("hubgateway.rules.chain hubcore", "", PURE),
    "hubgateway.rules.chain": _room("hubcore", "", PURE),
    "hubgateway.rules.policy": _room("hubgateway.rules.names hubcore", "", PURE),
    "hubgateway.rules.pocket": _room("hubcore", "", PURE),
    "hubgateway.rules.presence": _room("hubgateway.rules.lanes hubcore", "", PURE),
    "hubgateway.rules.promises": _room("hubcore", "", PURE),
    "hubgateway.rules.zap": _room("hubgateway.rules.names", "", PURE),
    "hubtls": _room("hubtls hubcore", "cryptography", frozenset({"sqlite3", "subprocess"})),
    "hubtls.peers": _room("hubcore.codec.tls hubcore.errors", "cryptography", PURE),
    "hubtls.keys": _room("hubcore", "cryptography", WORLDLY),
    "hubupdate": _room("hubupdate hubcore", "tuf"),
    "hubupdate.config": _room(
        "hubupdate.carrier hubupdate.folder hubupdate.trust hubupdate.web hubcore", "msgspec"
    ),
    "hubupdate.mirror.mirror": _room("hubupdate hubterm.files hubcore", "tuf"),
    "hubupdate.mirror.config": _room(
        "hubupdate.config hubcore.update.running.board", "msgspec", WORLDLY
    ),
    "hubupdate.running": _room("hubupdate hubcore", ""),
    "hubupdate.running.service": _room("hubupdate hubcore", "", WORLDLY),
    "hubupdate.web": _room("hubupdate.carrier hubcore", ""),
    "hubupdate.publish": _room("hubupdate hubcore hubterm", "tuf securesystemslib cryptography"),
    "hubupdate.carrier": _room("hubcore.errors", "", PURE),
    "hubupdate.fetcher": _room("hubupdate.carrier hubcore.errors", "tuf", PURE),
    "hubupdate.hub": _room("hubcore.update", "", PURE),
    "hubupdate.packed": _room("hubcore", ""),
    "hubupdate.turns": _room("hubupdate.carrier hubcore.errors", "", PURE),
    "hubupdate.duties": _room("hubupdate hubcore", "", PURE),
    "hubsite": _room("hubsite hubcore", "django click"),
    "hubsite.config": _room(
        "hubsite.config hubcore.access.cards hubcore.backend.ways hubcore.errors "
        "hubcore.localapi hubcore.policy.policy hubsite.pins.words",
        "msgspec",
        WORLDLY,
    ),
    "hubsite.wiring": _room("hubsite hubcore", "django", WORLDLY),
    "hubsite.logs": _room("", "", WORLDLY),
    "hubsite.running": _room("hubsite.accounts.gate", "", WORLDLY),
    "hubsite.settings": _room("hubsite.config hubsite.running", "csp", WORLDLY),
    "hubsite.tls": _room("hubsite.config hubcore.errors", ""),
    "hubsite.accounts": _room("hubsite.accounts hubsite.acts hubcore", "django", WORLDLY),
    "hubsite.accounts.factor": _room("hubcore.errors", "cryptography", WORLDLY),
    "hubsite.accounts.gate": _room("hubcore.timing", "", WORLDLY),
    "hubsite.acts": _room("hubsite.acts hubcore", "django", WORLDLY),
    "hubsite.certificate": _room(
        "hubsite.certificate hubsite.config hubsite.looping hubsite.tls hubcore.errors",
        "cryptography",
        WORLDLY,
    ),
    "hubsite.certificate.judging": _room("", "cryptography", PURE),
    "hubsite.clocks": _room("hubsite.clocks", "django", WORLDLY),
    "hubsite.clocks.judging": _room("", "", PURE),
    "hubsite.commands": _room("hubsite hubcore", "django click gunicorn cryptography"),
    "hubsite.commands.check": _room(
        "hubsite hubgateway.engine.account hubgateway.engine.vouching hubcore.errors",
        "django click",
    ),
    "hubsite.setup": _room(
        "hubsite.setup hubsite.certificate.judging hubsite.config hubsite.accounts.naming "
        "hubsite.commands.begin hubsite.commands.trial hubgateway.config hubgateway.engine.account "
        "hubgateway.engine.rights "
        "hubgateway.issuer.holding.files hubgateway.issuer.keys "
        "hubgateway.issuer.signing.config hubterm.files hubcore",
        "click zmq",
        WORLDLY,
    ),
    "hubsite.setup.accounts": _room("hubgateway.engine.rights", "", PURE),
    "hubsite.setup.certificate": _room(
        "hubsite.setup hubsite.certificate.judging hubsite.commands.trial hubcore.errors",
        "cryptography",
        WORLDLY,
    ),
    "hubsite.setup.orders": _room(
        "hubsite.setup hubsite.config hubgateway.engine.account hubgateway.issuer.signing.config "
        "hubgateway.engine.rights hubcore",
        "tomlkit",
        WORLDLY,
    ),
    "hubsite.setup.places": _room("", "", PURE),
    "hubsite.setup.ports": _room(
        "hubsite.setup.texts hubsite.setup.units hubcore.errors",
        "",
        frozenset({"sqlite3", "ssl"}),
    ),
    "hubsite.setup.units": _room(
        "hubsite.setup.places hubcore.errors", "", frozenset({"sqlite3", "ssl"})
    ),
    "hubsite.crowd": _room(
        "hubsite.crowd hubsite.hubs.keeping hubsite.hubs.office hubsite.hubs.signer "
        "hubsite.hubs.together hubsite.phones hubsite.register.granted hubsite.register.models "
        "hubsite.rules hubsite.serving.gathering hubcore.errors",
        "django",
        WORLDLY,
    ),
    "hubsite.fleet": _room(
        "hubsite.fleet hubsite.acts hubsite.config hubsite.hubs.engine "
        "hubsite.hubs.signer hubsite.looping hubsite.running "
        "hubgateway.authority hubgateway.engine.buckets hubgateway.issuer.versions "
        "hubgateway.rules hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.fleet.said.values": _room(
        "hubcore.backend.uplink hubcore.errors hubgateway.rules.names", "", PURE
    ),
    "hubsite.fleet.said.kinds": _room("hubsite.fleet.said.values hubcore.device", "", PURE),
    "hubsite.fleet.said.troubles": _room(
        "hubcore.afar hubcore.backend.uplink hubcore.errors", "django", WORLDLY
    ),
    "hubsite.fleet.said.words": _room("hubsite.fleet.said.values hubcore.device", "", PURE),
    "hubsite.hubs": _room("hubsite hubcore", "django", WORLDLY),
    "hubsite.hubs.engine": _room(
        "hubsite.config hubsite.pins.comparing hubgateway.engine hubgateway.rules hubcore",
        "nats",
        WORLDLY,
    ),
    "hubsite.hubs.newest": _room("hubsite.hubs.engine hubgateway.rules.names hubcore", "", WORLDLY),
    "hubsite.hubs.putting": _room("hubgateway.rules.names hubcore", "", WORLDLY),
    "hubsite.hubs.remote": _room(
        "hubsite.config hubgateway.issuer.signing.client hubtls hubcore", "", WORLDLY
    ),
    "hubsite.hubs.together": _room("", "", WORLDLY),
    "hubsite.hubs.signer": _room("hubtls.keys hubcore", "", WORLDLY),
    "hubsite.keys": _room(
        "hubsite.keys hubsite.accounts.models hubsite.accounts.once hubsite.acts hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.keys.place": _room("", "", WORLDLY),
    "hubsite.keys.proof": _room("hubsite.keys.place hubcore.errors", "fido2", WORLDLY),
    "hubsite.oidc": _room(
        "hubsite.oidc hubsite.config hubcore", "authlib joserfc requests", WORLDLY
    ),
    "hubsite.oidc.binding": _room(
        "hubsite.oidc.tokens hubsite.accounts.models hubsite.acts hubcore", "django", WORLDLY
    ),
    "hubsite.oidc.documents": _room("hubcore.errors", "", PURE),
    "hubsite.oidc.fetching": _room(
        "hubsite.pins.comparing", "requests", frozenset({"sqlite3", "subprocess", "socket"})
    ),
    "hubsite.pages.accounts.carried": _room(
        "hubsite.signin.proven", "cryptography django", WORLDLY
    ),
    "hubsite.signin": _room(
        "hubsite.signin hubsite.accounts hubsite.acts hubsite.keys hubcore", "django", WORLDLY
    ),
    "hubsite.pages.accounts": _room(
        "hubsite.pages.accounts hubsite.accounts hubsite.acts hubsite.keys hubsite.oidc.binding "
        "hubsite.signin hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.orders": _room(
        "hubsite.orders hubsite.acts hubsite.register hubsite.rows hubcore", "django", WORLDLY
    ),
    "hubsite.orders.giving.bybridge": _room("hubsite.orders hubctl.client hubcore", "", WORLDLY),
    "hubsite.orders.giving.byengine": _room(
        "hubsite.orders hubsite.config hubsite.hubs.engine hubcore", "", WORLDLY
    ),
    "hubsite.orders.giving.making": _room(
        "hubsite.orders hubsite.config hubsite.hubs.engine hubcore", "", WORLDLY
    ),
    "hubsite.orders.words": _room("hubcore", "", PURE),
    "hubsite.rows": _room("hubcore.errors", "django", WORLDLY),
    "hubsite.compiled": _room("", "django", WORLDLY),
    "hubsite.pages.orders": _room(
        "hubsite.pages.orders hubsite.pages.accounts.again hubsite.config hubsite.fleet.models "
        "hubsite.fleet.said hubsite.orders hubsite.register hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.pages": _room(
        "hubsite.pages hubsite.accounts hubsite.acts hubsite.bridge.watching hubsite.fleet "
        "hubsite.records.showing hubsite.register hubsite.rules hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.pages.fleet": _room(
        "hubsite.pages.fleet hubsite.pages.accounts.again hubsite.pages.orders.readings "
        "hubsite.pages.register.fields hubsite.acts.kinds hubsite.config hubsite.fleet "
        "hubsite.hubs.behind hubsite.hubs.signer hubsite.register hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.pages.evidence": _room(
        "hubsite.pages.evidence hubsite.acts hubsite.records hubsite.register.models hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.pages.now": _room(
        "hubsite.pages.now hubsite.pages.evidence.names hubsite.acts hubsite.bridge hubsite.fleet "
        "hubsite.records hubsite.register.models hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.pages.register": _room(
        "hubsite.pages.register hubsite.acts.kinds hubsite.register hubsite.rules hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.pages.phones": _room(
        "hubsite.pages.phones hubsite.pages.accounts.asking hubsite.pages.register.fields "
        "hubsite.accounts.models hubsite.acts hubsite.crowd.answering hubsite.keys "
        "hubsite.passkeys hubsite.phones "
        "hubsite.register hubsite.rules hubcore",
        "django msgspec oauth2_provider segno",
        WORLDLY,
    ),
    "hubsite.pages.people": _room(
        "hubsite.pages.people hubsite.acts hubsite.people", "django", WORLDLY
    ),
    "hubsite.pages.scim": _room(
        "hubsite.pages.scim hubsite.pages.accounts.again hubsite.register.changes hubsite.scim",
        "django msgspec",
        WORLDLY,
    ),
    "hubsite.pages.webhooks": _room(
        "hubsite.pages.webhooks hubsite.pages.accounts.again hubsite.register.changes "
        "hubsite.webhooks hubcore.evidence.facts",
        "django",
        WORLDLY,
    ),
    "hubsite.pages.urls": _room("hubsite.pages", "django", WORLDLY),
    "hubsite.passkeys": _room(
        "hubsite.passkeys hubsite.acts hubsite.keys hubsite.register hubcore", "django", WORLDLY
    ),
    "hubsite.people": _room(
        "hubsite.people hubsite.acts hubsite.register hubcore.errors", "django", WORLDLY
    ),
    "hubsite.people.plan": _room("hubsite.people.table", "", PURE),
    "hubsite.people.shown": _room("hubsite.people.applying", "", WORLDLY),
    "hubsite.people.table": _room("", "", PURE),
    "hubsite.phones": _room(
        "hubsite.phones hubsite.accounts.models hubsite.acts hubsite.compiled hubsite.hubs.office "
        "hubsite.passkeys hubsite.register hubsite.rules hubcore",
        "django oauth2_provider oauthlib segno",
        WORLDLY,
    ),
    "hubsite.phones.atreaders.adding": _room(
        "hubsite.acts hubsite.hubs.office hubsite.register hubcore", "django", WORLDLY
    ),
    "hubsite.phones.atreaders.keys": _room(
        "hubsite.phones.atreaders.adding hubsite.register.models hubcore", "cryptography", WORLDLY
    ),
    "hubsite.phones.atreaders.met": _room(
        "hubsite.records.models hubsite.register.models hubcore", "", WORLDLY
    ),
    "hubsite.phones.atreaders.numbers": _room(
        "hubsite.phones.atreaders.adding hubcore", "", WORLDLY
    ),
    "hubsite.pins.comparing": _room(
        "", "cryptography", frozenset({"socket", "sqlite3", "subprocess"})
    ),
    "hubsite.pins.words": _room("", "msgspec", PURE),
    "hubsite.looping": _room("hubsite.rows hubcore", "", WORLDLY),
    "hubsite.bridge": _room("hubsite.bridge hubsite.acts hubcore", "django", WORLDLY),
    "hubsite.bridge.answer": _room("hubcore.errors", "msgspec", PURE),
    "hubsite.bridge.watching": _room(
        "hubsite.bridge hubsite.looping hubsite.records.models hubctl.client hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.records": _room(
        "hubsite.records hubsite.bridge.alarms hubsite.clocks.watch hubsite.config "
        "hubsite.hubs.engine hubsite.looping hubsite.register.models hubgateway.rules hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.records.showing": _room(
        "hubsite.records hubsite.acts hubsite.bridge hubsite.register.models hubcore",
        "django",
        WORLDLY,
    ),
    "hubsite.register": _room(
        "hubsite.register hubsite.accounts.models hubsite.acts hubsite.compiled hubsite.rules "
        "hubcore",
        "django oauth2_provider",
        WORLDLY,
    ),
    "hubsite.rules": _room("hubsite.rules hubcore", "", PURE),
    "hubsite.serving": _room(
        "hubsite.serving hubcore.backend.callers hubcore.errors hubcore.timing.pace",
        "gunicorn",
        frozenset({"sqlite3", "subprocess"}),
    ),
    "hubsite.serving.intake": _room("", "", PURE),
    "hubsite.scim": _room(
        "hubsite.scim hubsite.accounts.models hubsite.acts hubsite.register hubcore.timing.pace",
        "django",
        WORLDLY,
    ),
    "hubsite.webhooks": _room(
        "hubsite.webhooks hubsite.accounts.factor hubsite.acts hubsite.clocks.watch "
        "hubsite.records.models hubsite.register hubcore.errors",
        "django",
        WORLDLY,
    ),
    "hubsite.webhooks.address": _room(
        "hubcore.errors", "", frozenset({"sqlite3", "subprocess", "ssl"})
    ),
    "hubsite.webhooks.posting": _room(
        "hubsite.config hubsite.pins.comparing hubsite.webhooks.address hubcore.errors",
        "",
        frozenset({"sqlite3", "subprocess"}),
    ),
    "hubsite.webhooks.signing": _room("", "", WORLDLY),
    "hubsite.syslog": _room(
        "hubsite.syslog hubsite.acts hubsite.config hubsite.logs hubcore.errors",
        "django",
        WORLDLY,
    ),
    "hubsite.syslog.lines": _room("", "", PURE),
    "hubsite.syslog.waiting": _room("hubsite.syslog.lines", "", WORLDLY),
    "hubsite.syslog.wire": _room(
        "hubsite.config hubsite.pins.comparing hubcore.errors",
        "",
        frozenset({"sqlite3", "subprocess"}),
    ),
    "hubsim": _room("hubsim hubd hubgateway.callers drivers hubcore"),
    "hubsim.pkoc.elements": _room("", "", PURE),
    "hubsim.pkoc.channel": _room("", "cryptography", PURE),
    "hubsim.pkoc.trust": _room("hubsim.pkoc.channel", "cryptography", PURE),
    "hubsim.pkoc.habits": _room("hubsim.pkoc.elements", "", PURE),
    "hubsim.pkoc.phone": _room(
        "hubsim.pkoc.channel hubsim.pkoc.elements hubsim.pkoc.habits hubsim.pkoc.trust",
        "cryptography",
        PURE,
    ),
    "hubsim.update": _room("hubsim.update hubupdate hubterm.exits hubcore"),
    "hubsim.bridge": _room("hubsim hubbridge.app hubbridge.config hubbridge.siteorders hubcore"),
    "hubsim.bridge.engine": _room(
        "hubsim hubgateway.bridges.directory hubgateway.engine.engine "
        "hubgateway.issuer.office.bridges hubgateway.rules hubcore"
    ),
    "hubsim.bridge.behind": _room("hubsim hubbridge.config hubgateway.rules hubcore"),
    "hubsim.trial.server": _room("hubsim.stage hubsite.accounts.factor", ""),
    "hubsim.trial.pages": _room("hubsim.stage", ""),
    "hubsim.enrolment.place": _room("hubsim hubcore hubgateway.enrolment.port"),
}
"""A module belongs to the longest name that fits it; one that fits none may know nothing."""
PACKAGES = frozenset(
    ".".join(path.parent.relative_to(base).parts)
    for base in (ROOT, ROOT / "hardware-sim")
    for top in TOPS
    for path in (base / top).rglob("__init__.py")
)
NOTHING = _room("", "", PURE)


def top_of(module: str) -> str:
    """The program or ground floor that a module is of."""
    return module.split(".")[0]


def _within(module: str, prefixes: frozenset[str]) -> bool:
    return any(module == prefix or module.startswith(prefix + ".") for prefix in prefixes)


def _room_of(module: str) -> Room:
    names = [name for name in ROOMS if _within(module, frozenset({name}))]
    return ROOMS[max(names, key=len)] if names else NOTHING


@functools.lru_cache(maxsize=1)
def nodes_of(tree: ast.AST) -> list[ast.AST]:
    """All nodes of a tree; those of the last one are kept, since each rule asks for them."""
    return list(ast.walk(tree))


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, also of relative ones and of `import_module("...")`."""
    for node in nodes_of(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = (
                    ".".join(package.split(".")[: len(package.split(".")) - level + 1])
                    if level
                    else ""
                )
                whole = ".".join(part for part in (base, module) if part)
                for alias in names:
                    yield (
                        node.lineno,
                        f"{whole}.{alias.name}" if _is_package(whole, alias.name) else whole,
                    )
            case ast.Call(
                func=ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield node.lineno, name
            case ast.Call(
                func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield node.lineno, name


def _is_package(module: str, name: str) -> bool:
    """Whether `from module import name` names a module of this project rather than a value."""
    return module in PACKAGES


def _import_violations(tree: ast.AST, module: str, package: str) -> Iterator[str]:
    room = _room_of(module)
    for line, name in _imports(tree, package):
        top = name.split(".")[0]
        if name == "__future__":
            continue
        if top in TOPS:
            if not _within(name, room.project):
                yield f"{line}: {module} must not know {name}"
        elif top in sys.stdlib_module_names:
            if top in room.not_stdlib:
                yield f"{line}: {module} must not import {top}"
        elif room.libraries != ANY and top not in room.libraries:
            yield f"{line}: {module} must not import the library {top}"


def _purity_violations(tree: ast.AST, module: str) -> Iterator[str]:
    """The core asks no clock and no chance, also not through libraries that it may import."""
    if not _within(module, frozenset({"hubcore"})):
        return
    for node in nodes_of(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in CLOCK_CALLS:
                yield f"{node.lineno}: {module} reads a clock: {node.func.attr}()"
            if node.func.attr in CHANCE_CALLS:
                yield f"{node.lineno}: {module} uses chance: {node.func.attr}()"


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Name):
        return node.id
    return ""


def _groups(tree: ast.AST) -> set[str]:
    """The names that hold a TaskGroup: bound by `with TaskGroup() as name`, or annotated as one."""
    found: set[str] = set()
    for node in nodes_of(tree):
        match node:
            case ast.withitem(
                context_expr=ast.Call(func=called), optional_vars=ast.expr() as bound
            ):
                if _last_name(called) == "TaskGroup":
                    found.add(_last_name(bound))
            case ast.AnnAssign(target=target, annotation=annotation) if "TaskGroup" in ast.unparse(
                annotation
            ):
                found.add(_last_name(target))
            case ast.arg(arg=name, annotation=ast.expr() as annotation) if (
                "TaskGroup" in ast.unparse(annotation)
            ):
                found.add(name)
    return found


def _task_violations(tree: ast.AST) -> Iterator[str]:
    groups = _groups(tree)
    for node in nodes_of(tree):
        match node:
            case ast.Attribute(attr="ensure_future") | ast.Name(id="ensure_future" | "create_task"):
                yield f"{node.lineno}: a task outside a TaskGroup"
            case ast.alias(name="create_task" | "ensure_future"):
                yield f"{node.lineno}: a task outside a TaskGroup"
            case ast.Attribute(attr="create_task", value=holder) if (
                _last_name(holder) not in groups
            ):
                yield f"{node.lineno}: a task outside a TaskGroup: {ast.unparse(node)}"


def mock_violations(tree: ast.AST) -> Iterator[str]:
    """Fakes are whole: nothing is patched into place."""
    for node in nodes_of(tree):
        match node:
            case ast.Attribute(attr="patch", value=holder) if _last_name(holder) in (
                "mock",
                "mocker",
            ):
                yield f"{node.lineno}: mock.patch"
            case ast.ImportFrom(module="unittest.mock" | "mock", names=names) if any(
                n.name == "patch" for n in names
            ):
                yield f"{node.lineno}: mock.patch"
            case ast.arg(arg="mocker"):
                yield f"{node.lineno}: mock.patch by the fixture mocker"


def constant_violations(tree: ast.AST) -> Iterator[str]:
    """A bound or a time that a test changes is an argument: no constant of a module is set in its
    place.
    """
    for node in nodes_of(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="setattr", value=holder), args=[target, *rest]
            ) if _last_name(holder) == "monkeypatch":
                name = rest[0] if len(rest) > 1 else target
                if isinstance(name, ast.Constant) and _is_constant(str(name.value)):
                    yield f"{node.lineno}: a constant is patched: {name.value}"
            case ast.Assign(targets=targets):
                for one in targets:
                    if (
                        isinstance(one, ast.Attribute)
                        and _is_constant(one.attr)
                        and _last_name(one.value) != "self"
                    ):
                        yield f"{node.lineno}: a constant is set: {ast.unparse(one)}"


def _is_constant(name: str) -> bool:
    """Whether the name, or the last part of a dotted one, is written like a constant."""
    return name.rpartition(".")[2].lstrip("_").isupper()


def _methods(node: ast.ClassDef) -> frozenset[str]:
    found = (
        one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return frozenset(name for name in found if not name.startswith("_"))


@functools.cache
def ports() -> dict[str, frozenset[str]]:
    """Each port of `hubcore.ports`, and what is asked of it."""
    found: dict[str, frozenset[str]] = {}
    for path in sorted((ROOT / "hubcore" / "ports").glob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and any(
                _last_name(base) == "Protocol" for base in node.bases
            ):
                bases = [found.get(_last_name(base), frozenset()) for base in node.bases]
                found[node.name] = _methods(node).union(*bases)
    return found


def fake_violations(tree: ast.AST) -> Iterator[str]:
    """A port has one fake, in tests/fakes: no class elsewhere in the tests has all that a port asks
    for.
    """
    for node in nodes_of(tree):
        if isinstance(node, ast.ClassDef):
            for port, methods in ports().items():
                if methods <= _methods(node):
                    yield (
                        f"{node.lineno}: {node.name} is another fake of {port}: tests/fakes has one"
                    )


def _docstring_violations(tree: ast.Module) -> Iterator[str]:
    first = (ast.get_docstring(tree) or "").split("\n")[0].strip()
    if len(first.split()) < 4:
        yield "1: a module opens with a line that says what it is"
    elif first[-1] not in ".:;!?,":
        words = (ast.get_docstring(tree) or "").split("\n")
        if len(words) < 2 or not words[1].strip():
            yield "1: the first line of the docstring is no sentence"


def style_violations(tree: ast.AST) -> Iterator[str]:
    """What puts two thoughts on one line: packed assignments, and a conditional in a conditional.

    Two values that change places are one thought.
    """
    for node in nodes_of(tree):
        match node:
            case ast.Assign(targets=[ast.Tuple(elts=names)], value=ast.Tuple(elts=values)):
                starred = any(isinstance(one, ast.Starred) for one in [*names, *values])
                swapped = {ast.unparse(one) for one in names} == {
                    ast.unparse(one) for one in values
                }
                if not starred and not swapped:
                    yield f"{node.lineno}: packed: {ast.unparse(node)}"
            case ast.IfExp():
                inner = (one for one in ast.walk(node) if one is not node)
                if any(isinstance(one, ast.IfExp) for one in inner):
                    yield f"{node.lineno}: a conditional in a conditional"


def violations(module: str, source: str, is_package: bool = False) -> list[str]:
    """Return what is wrong with one file of the product, `LINE: sentence` each."""
    return _violations(ast.parse(source), module, is_package)


def _package(module: str, is_package: bool) -> str:
    return module.removesuffix(".__init__") if is_package else module.rpartition(".")[0]


def _violations(tree: ast.Module, module: str, is_package: bool) -> list[str]:
    found = [
        *_import_violations(tree, module, _package(module, is_package)),
        *_purity_violations(tree, module),
        *_task_violations(tree),
    ]
    return [*found, *mock_violations(tree), *_docstring_violations(tree)]


def _files() -> list[tuple[str, Path]]:
    """Every file of the product as (module, path)."""
    found = []
    for base, top in (
        (ROOT, "hubcore"),
        (ROOT, "drivers"),
        (ROOT, "hubd"),
        (ROOT, "hubctl"),
        (ROOT, "hubbridge"),
        (ROOT, "hubgateway"),
        (ROOT, "hublocal"),
        (ROOT, "hubsite"),
        (ROOT, "hubterm"),
        (ROOT, "hubtls"),
        (ROOT, "hubupdate"),
        (ROOT / "hardware-sim", "hubsim"),
    ):
        for path in sorted((base / top).rglob("*.py")):
            found.append((".".join(path.relative_to(base).with_suffix("").parts), path))
    return found


@dataclass(frozen=True)
class Judged:
    """What each kind of rule finds in one file, `LINE: sentence` each, and what it imports."""

    imports: frozenset[str]
    product: list[str]
    patches: list[str]
    thoughts: list[str]
    fakes: list[str]


@functools.cache
def judged(path: Path) -> Judged:
    """Read a file once, for all rules."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    module = _modules().get(path, "")
    is_package = path.name == "__init__.py"
    return Judged(
        imports=frozenset(name for _, name in _imports(tree, _package(module, is_package))),
        product=_violations(tree, module, is_package) if module else [],
        patches=_patches(tree),
        thoughts=list(style_violations(tree)),
        fakes=list(fake_violations(tree)),
    )


@functools.cache
def _modules() -> dict[Path, str]:
    return {path: module for module, path in _files()}


def _told(path: Path, found: list[str]) -> list[str]:
    return [f"{path.relative_to(ROOT)}:{one}" for one in found]


def test_every_file_keeps_the_rules() -> None:
    files = _files()
    assert {"hubcore.codec.cbor", "hubctl.main", "drivers.strike.strike", "hubsim.main"} <= {
        module for module, _ in files
    }
    wrong = [one for _, path in files for one in _told(path, judged(path).product)]
    assert wrong == []


def test_no_test_patches_anything_into_place() -> None:
    wrong = [
        one
        for folder in ("tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for one in _told(path, judged(path).patches)
    ]
    assert wrong == []


def test_a_line_holds_one_thought() -> None:
    folders = [path.parent for path in ROOT.glob("*/__init__.py")]
    folders += [ROOT / "tests", ROOT / "hardware-sim"]
    wrong = [
        one
        for folder in folders
        for path in sorted(folder.rglob("*.py"))
        for one in _told(path, judged(path).thoughts)
    ]
    assert len(folders) == 14
    assert wrong == []


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("a, b = 1, 2", "packed: a, b = (1, 2)"),
        ("self.a, self.b = a, b", "packed"),
        ("(a, b), c = d, e", "packed"),
        ("x = 1 if a else 2 if b else 3", "a conditional in a conditional"),
        ("x = 1 if a else f(2 if b else 3)", "a conditional in a conditional"),
    ],
)
def test_two_thoughts_on_one_line_are_noticed(code: str, part: str) -> None:
    (found,) = style_violations(ast.parse(code))
    assert part in found


@pytest.mark.parametrize(
    "code", ["a, b = b, a", "a, b = pair", "a, *b = 1, *rest", "x = 1 if a else 2", "return a, b"]
)
def test_what_is_one_thought_is_not_held_up(code: str) -> None:
    assert list(style_violations(ast.parse(code))) == []


def _patches(tree: ast.AST) -> list[str]:
    return [*mock_violations(tree), *constant_violations(tree)]


def test_each_port_has_one_fake() -> None:
    elsewhere = [
        one
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if ROOT / "tests" / "fakes" not in path.parents
        for one in _told(path, judged(path).fakes)
    ]
    assert elsewhere == []
    fakes = [
        found.split(" of ")[1].split(":")[0]
        for path in sorted((ROOT / "tests" / "fakes").glob("*.py"))
        for found in judged(path).fakes
    ]
    assert sorted(fakes) == sorted(set(ports()) - WITHOUT_A_FAKE)


WITHOUT_A_FAKE = {"PolicyFile"}
"""Tests that need a policy's file want the real one."""


def test_another_fake_is_noticed() -> None:
    clock = (
        "class C:\n    def wall(self): ...\n    def monotonic(self): ...\n    def state(self): ..."
    )
    (found,) = fake_violations(ast.parse(clock))
    assert "C is another fake of Clock" in found
    assert list(fake_violations(ast.parse(clock.replace("state", "is_right")))) == []


@pytest.mark.parametrize(
    ("code", "part"),
    [
        (
            "def test_x(monkeypatch):\n    monkeypatch.setattr(links, 'SWEEP_SECONDS', 0.1)",
            "patched: SWEEP_SECONDS",
        ),
        (
            "def test_x(monkeypatch):\n    monkeypatch.setattr('hubd.app._SECONDS', 0.1)",
            "patched: hubd.app._SECONDS",
        ),
        (
            "def test_x(m):\n    m.monkeypatch.setattr(links, 'SWEEP_SECONDS', 0.1)",
            "patched: SWEEP_SECONDS",
        ),
        ("links.SWEEP_SECONDS = 0.1", "set: links.SWEEP_SECONDS"),
        ("hubd.phones.links.SWEEP_SECONDS = 0.1", "set: hubd.phones.links.SWEEP_SECONDS"),
        ("from unittest.mock import patch", "mock.patch"),
    ],
)
def test_a_patched_constant_is_noticed(code: str, part: str) -> None:
    (found,) = _patches(ast.parse(code))
    assert part in found


@pytest.mark.parametrize(
    "code",
    [
        "def test_x(monkeypatch):\n    monkeypatch.chdir('/tmp')\n    monkeypatch.setattr(os, "
        "'open', refuse)",
        "SWEEP_SECONDS = 0.1",
        "self.sweep_seconds = 0.1",
        "Links(side, sweep_seconds=links.SWEEP_SECONDS / 2)",
    ],
)
def test_what_is_no_patched_constant_is_not_held_up(code: str) -> None:
    assert _patches(ast.parse(code)) == []


def test_the_table_names_modules_that_exist() -> None:
    modules = {module for module, _ in _files()}
    packages = {module.rpartition(".")[0] for module in modules} | modules
    for name in ROOMS:
        assert name in packages, f"{name} is in the table of rooms, but there is no such module"


@functools.cache
def _graph() -> dict[str, set[str]]:
    """Which file of the product imports which, also inside functions and for types alone."""
    files = {module.removesuffix(".__init__"): path for module, path in _files()}
    graph: dict[str, set[str]] = {}
    for module, path in files.items():
        graph[module] = {name for name in judged(path).imports if name in files and name != module}
    return graph


def _room_name(module: str) -> str:
    """The folder that a module lies in; a file at the top of a program is a room of its own."""
    package = module.rpartition(".")[0]
    return package if "." in package else module


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return a circle of a graph, [] when there is none."""
    done: set[str] = set()

    def walk(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node in done:
            return []
        for beyond in sorted(graph.get(node, ())):
            if found := walk(beyond, [*way, node]):
                return found
        done.add(node)
        return []

    for node in sorted(graph):
        if found := walk(node, []):
            return found
    return []


def _of_rooms(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {}
    for module, known in graph.items():
        rooms.setdefault(_room_name(module), set()).update(map(_room_name, known))
    return {room: known - {room} for room, known in rooms.items()}


def test_no_two_files_import_each_other() -> None:
    assert circle(_graph()) == []


def test_no_two_rooms_know_each_other() -> None:
    assert circle(_of_rooms(_graph())) == []


def test_a_circle_is_noticed() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    assert circle(_of_rooms({"hubd.x.a": {"hubd.y.b"}, "hubd.y.c": {"hubd.x.d"}})) == [
        "hubd.x",
        "hubd.y",
        "hubd.x",
    ]


def test_no_room_holds_more_than_twelve_files() -> None:
    """A folder of more wants rooms (docs/start-here.md)."""
    files: dict[Path, int] = {}
    for _, path in _files():
        if path.name != "__init__.py":
            files[path.parent] = files.get(path.parent, 0) + 1
    assert {str(folder): count for folder, count in files.items() if count > FILES_A_ROOM_MAX} == {}


DOC = '"""A module that stands here to be judged."""\n'


@pytest.mark.parametrize(
    ("module", "code", "part"),
    [
        *[("hubcore.codec.x", f"import {name}", "must not import "
                                                f"{name}") for name in sorted(IMPURE)],
        ("hubcore.codec.x", "from os import path", "must not import os"),
        ("hubcore.codec.x", "def f():\n    import asyncio.events", "must not import asyncio"),
        ("hubcore.codec.x", "import zmq", "must not import the library zmq"),
        ("hubcore.phone.x", "from hubcore.ports.clock import Clock", "must not know "
                                                                     "hubcore.ports.clock"),
        ("hubcore.access.x", "from hubcore.phone.messages import Open", "must not know "
                                                                        "hubcore.phone.messages"),
        ("hubcore.access.x", "from hubcore.phone import messages", "must not know "
                                                                   "hubcore.phone.messages"),
        ("hubcore.access.x", "from ..phone import messages", "must not know "
                                                             "hubcore.phone.messages"),
        ("hubcore.evidence.x", "from hubcore.backend import pace", "must not know "
                                                                     "hubcore.backend.pace"),
        ("hubcore.phone.x", "from hubcore.evidence.records import Record", "must not know "
                                                                           "hubcore.evidence.records"),
        ("hubcore.door.x", "from hubcore.access.words import Action", "must not know "
                                                                      "hubcore.access.words"),
        ("hubcore.phone.x", "from hubd import adapters", "must not know hubd.adapters"),
        ("hubcore.codec.x", "from datetime import datetime\nat = datetime.now()", "reads a clock"),
        ("hubcore.codec.x", "from cryptography.x import ec\nk = "
                            "ec.generate_private_key(1)", "uses chance"),
        ("hubcore.ports.x", "from hubd.doors.unlock import Unlock", "must not know "
                                                                    "hubd.doors.unlock"),
        ("hubcore.errors", "from hubcore.codec import cbor", "must not know hubcore.codec.cbor"),
        ("hubd.doors.unlock", "from hubd.adapters.host.log import X", "must not know "
                                                                      "hubd.adapters.host.log"),
        ("hubd.doors.unlock", "from hubd.backend.sync import Sync", "must not know "
                                                                    "hubd.backend.sync"),
        ("hubd.doors.unlock", "import drivers.strike.strike", "must not know "
                                                              "drivers.strike.strike"),
        ("hubd.doors.unlock", "import sqlite3", "must not import sqlite3"),
        ("hubd.backend.sync", "import zmq.asyncio", "must not import the library zmq"),
        ("hubd.brandnew", "from hubcore.errors import HubError", "must not know hubcore.errors"),
        ("hubd.upkeep.status", "from hubd.adapters.host import log", "must not know "
                                                                     "hubd.adapters.host.log"),
        ("hubcore.checks", "from hubd.upkeep.health import Health", "must not know "
                                                                        "hubd.upkeep.health"),
        ("hubd.start.x", "from hubd.upkeep.health import Health", "must not know "
                                                                  "hubd.upkeep.health"),
        ("hubcore.evidence.facts", "import msgspec", "must not import the library msgspec"),
        ("hubd.start.x", "from drivers.gpio.lines import X", "must not know drivers.gpio.lines"),
        ("hubd.start.x", "from hubd.adapters.bluez.bus import X", "must not know "
                                                                  "hubd.adapters.bluez.bus"),
        ("hubd.start.secure", "from hubd.wiring.movers import X", "must not know "
                                                                  "hubd.wiring.movers"),
        ("hubd.wiring.hardware", "from hubd.doors.unlock import Unlock", "must not know "
                                                                         "hubd.doors.unlock"),
        ("hubd.adapters.x", "from hubd.doors.unlock import Unlock", "must not know "
                                                                    "hubd.doors.unlock"),
        ("hubd.adapters.x", "from hubd import app", "must not know hubd.app"),
        ("hubd.adapters.x", "from drivers import strike", "must not know drivers.strike"),
        ("hubctl.x", "from hubd.config.file import Config", "must not know hubd.config.file"),
        ("hubctl.x", "import hubd", "must not know hubd"),
        ("hubctl.x", "from drivers.strike import strike", "must not know drivers.strike"),
        ("hubctl.x", "import zmq", "must not import the library zmq"),
        ("hubctl.x", "import sqlite3", "must not import sqlite3"),
        ("hubctl.x", "import importlib\nimportlib.import_module('hubd.app')", "must not know "
                                                                              "hubd.app"),
        ("hubctl.commands.act.enroll", "from hubcore.codec import cose", "must not know "
 "hubcore.codec"),
        ("hubterm.x", "from hubctl.client import HubClient", "must not know hubctl.client"),
        ("hubd.app", "from hubctl.client import HubClient", "must not know hubctl.client"),
        ("hubd.app", "from hubterm.text import clean", "must not know hubterm.text"),
        ("hubd.app", "import drivers.strike.strike", "must not know drivers.strike.strike"),
        ("hubd.app", "from hubd.adapters.curve import uplink", "must not know hubd.adapters.curve"),
        ("hubd.app", "from hubd.adapters.bluez.radio import X", "must not know "
                                                                "hubd.adapters.bluez.radio"),
        ("hubd.app", "from hubd.config.radio import Bluez", "must not know hubd.config.radio"),
        ("hubd.app", "from hubd.wiring.movers import MOVER_KINDS", "must not know "
                                                                   "hubd.wiring.movers"),
        ("hubd.wiring.parts", "import drivers.strike.strike", "must not know "
                                                              "drivers.strike.strike"),
        ("hubd.wiring.mover_group", "from hubd.wiring.movers import X", "must not know "
                                                                     "hubd.wiring.movers"),
        ("hubd.app", "import hubsim.phone", "must not know hubsim.phone"),
        ("hubd.app", "if True:\n    from hubsim import radio", "must not know hubsim.radio"),
        ("hubd.app", "__import__('hubsim')", "must not know hubsim"),
        ("hubd.__main__", "from hubd.doors.unlock import Unlock", "must not know "
                                                                  "hubd.doors.unlock"),
        ("drivers.x", "from hubcore.door.machine import Door", "must not know "
                                                               "hubcore.door.machine"),
        ("drivers.x", "from hubd import config", "must not know hubd.config"),
        ("drivers.x", "from hubsim import door", "must not know hubsim.door"),
        ("hubsim.x", "from hubctl.main import hubctl", "must not know hubctl.main"),
        ("hubd.app", "import asyncio\nasyncio.create_task(f())", "a task outside a TaskGroup"),
        ("hubd.app", "import asyncio\nasyncio.ensure_future(f())", "a task outside a TaskGroup"),
        ("hubd.app", "from asyncio import create_task", "a task outside a TaskGroup"),
        ("hubd.app", "from asyncio import create_task as spawn", "a task outside a TaskGroup"),
        ("hubd.app", "import asyncio\nmake = asyncio.create_task", "a task outside a TaskGroup"),
        ("hubsim.x", "import asyncio\nasyncio.get_running_loop().create_task(f())",
        "a task outside a "
                                                                                    "TaskGroup"),
        ("drivers.x", "def f(loop: object) -> None:\n    loop.create_task(g())", "a task outside a "
                                                                                 "TaskGroup"),
        ("hubsim.x", "from unittest import mock\nmock.patch('x')", "mock.patch"),
        ("hubsim.x", "import unittest.mock\nunittest.mock.patch.object(a, 'x')", "mock.patch"),
        ("hubsim.x", "from unittest.mock import patch", "mock.patch"),
        ("hubsim.x", "def test_x(mocker): ...", "mock.patch"),
    ],
)  # fmt: skip
def test_a_violation_is_noticed(module: str, code: str, part: str) -> None:
    found = violations(module, DOC + code)
    assert len(found) == 1, found
    assert part in found[0]


@pytest.mark.parametrize(
    ("module", "code"),
    [
        (
            "hubcore.codec.x",
            "import hashlib\nimport cbor2\nfrom cryptography.hazmat import primitives\nfrom . "
            "import cose",
        ),
        (
            "hubcore.codec.x",
            "from hubcore.codec import cose\nfrom hubcore.errors import PeerError\nfrom "
            "datetime import datetime",
        ),
        (
            "hubd.doors.unlock",
            "import asyncio\nfrom hubcore.access.decide import decide\nfrom "
            "hubcore.ports.clock import Clock",
        ),
        (
            "hubd.adapters.x",
            "import socket\nimport zmq\nfrom hubcore.version import BUILD_TIME\nfrom "
            "hubd.adapters.host.log import set_up",
        ),
        ("hubd.adapters.x", "from .host.log import set_up\nfrom .host import log"),
        (
            "hubctl.x",
            "import socket\nimport click\nfrom rich.table import Table\nfrom hubcore.version "
            "import __version__",
        ),
        (
            "hubd.app",
            "from hubd.doors.unlock import Unlock\nfrom hubd.adapters.host.log import "
            "X\nimport hubd.wiring.parts",
        ),
        (
            "hubd.wiring.movers",
            "import drivers.strike.strike\nfrom hubd.config import movers\nfrom "
            "hubd.wiring.mover_group import Together",
        ),
        (
            "drivers.x",
            "import asyncio\nimport gpiod\nfrom drivers.gpio.lines import X\nfrom "
            "hubcore.ports.doors import Input",
        ),
        (
            "hubd.app",
            "async def f():\n    async with asyncio.TaskGroup() as tasks:\n        "
            "tasks.create_task(g())",
        ),
        (
            "hubd.app",
            "async def f():\n    async with a(), TaskGroup() as self._tasks:\n        "
            "self._tasks.create_task(g())",
        ),
        ("hubd.app", "def f(tasks: asyncio.TaskGroup):\n    tasks.create_task(g())"),
    ],
)
def test_what_is_allowed_is_not_held_up(module: str, code: str) -> None:
    assert violations(module, DOC + code) == []


@pytest.mark.parametrize(
    "source", ["", "x = 1", '"""codec"""', '"""\n"""', '"""hubd.doors.unlock module code"""']
)
def test_a_module_that_does_not_say_what_it_is_is_noticed(source: str) -> None:
    assert len(violations("hubd.doors.unlock", source)) == 1


DISTRIBUTIONS = {
    ".": (
        "hubcore",
        "drivers",
        "hubd",
        "hubctl",
        "hubbridge",
        "hubgateway",
        "hublocal",
        "hubsite",
        "hubterm",
        "hubtls",
        "hubupdate",
    ),
    "hardware-sim": ("hubsim",),
}
"""The folder of each distribution, and what it brings."""


@pytest.mark.parametrize("place", DISTRIBUTIONS)
def test_a_distribution_names_each_folder_that_its_modules_are_in(place: str) -> None:
    """A clone has every folder, an installed hub only those that setup.cfg names."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / place / "setup.cfg")
    named = setup["options"]["packages"].split()
    base = ROOT / place
    there = {
        ".".join(file.parent.relative_to(base).parts)
        for part in DISTRIBUTIONS[place]
        for file in (base / part).rglob("*.py")
        if "node_modules" not in file.parts
    }
    assert there
    assert sorted(named) == sorted(there)
