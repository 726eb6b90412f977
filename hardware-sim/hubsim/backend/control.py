"""The operators' socket of the reference backend: JSON lines on a unix socket.

Laws:
1. Only the owner's account may connect (the socket's mode is 0600).
2. Each line gets exactly one line back, with `"ok": true`, or with `"ok": false` and an `"error"`
   sentence. A wrong line ends nothing, nor does one over MAX_LINE_BYTES.
3. An answer has a ceiling, too: records come in pages of at most RECORDS_A_PAGE.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubcore.access.precedence import DoorOrder
from hubcore.afar import told
from hubcore.device.command import Verb
from hubcore.errors import ConfigError, HubError
from hubcore.evidence.records import StoredRecord, facts
from hubsim.site.folder import FIRST_OPERATOR

if TYPE_CHECKING:
    from hubsim.backend.server import Backend

JsonObject = dict[str, Any]
Orders = Mapping[str, Callable[[JsonObject], Awaitable[JsonObject]]]

MAX_LINE_BYTES = 65536
RECORDS_A_PAGE = 1000
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""A page of the largest records, as JSON."""
VALID_SECONDS_MAX = 86_400
"""An order waits this long for its answer at most; what a hub takes is its own, shorter limit."""

_OWNER_ALONE = 0o177
"""The umask that leaves 0600."""


class Control:
    """Serve `backend.sock` in the site's directory."""

    def __init__(self, backend: Backend, directory: Path, more: Orders | None = None) -> None:
        """`more`: orders of others, by their names."""
        self._backend = backend
        self._directory = directory
        self._orders: dict[str, Callable[[JsonObject], Awaitable[JsonObject]]] = {
            "release": self._release,
            "order": self._order,
            "act": self._act,
            "telemetry": self._telemetry,
            "policy": self._policy,
            "records": self._records,
            "hubs": self._hubs,
            "revoke": self._revoke,
            "allow": self._allow,
            "rotate": self._rotate,
            "know": self._know,
            "keep": self._keep,
            "accept": self._accept,
            "certificate": self._certificate,
            **(more or {}),
        }

    async def serve(self, ready: Callable[[], None]) -> None:
        """Take orders until cancelled. Raise ConfigError when the socket cannot be made."""
        path = self._directory / "backend.sock"
        async with asyncio.TaskGroup() as group:

            def visitor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                group.create_task(self._talk(reader, writer))

            umask_before = os.umask(_OWNER_ALONE)
            try:
                with suppress(FileNotFoundError):
                    # left over from a kill; two backends for one directory are the operator's error
                    path.unlink()
                server = await asyncio.start_unix_server(visitor, path, limit=MAX_LINE_BYTES)
            except OSError as error:
                raise ConfigError(f"backend: cannot listen on {path}: {error}") from error
            finally:
                os.umask(umask_before)
            async with server:
                ready()
                await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await _line(reader)) is not None:
                answer = await self.answer(line)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except OSError:  # the other side has gone
            pass
        finally:
            writer.close()

    async def answer(self, line: bytes) -> JsonObject:
        """Do what one line asks; return the answer."""
        if len(line) > MAX_LINE_BYTES:
            return _refusal(f"a line has at most {MAX_LINE_BYTES} bytes")
        try:
            order = json.loads(line)
            do = self._orders[order["do"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            known = ", ".join(self._orders)
            return _refusal(f'expected a JSON object with "do": one of {known}')
        try:
            return {"ok": True, **await do(order)}
        except KeyError as error:
            return _refusal(f"{order['do']}: {error} is missing")
        except (HubError, OSError, ValueError, TypeError, ArithmeticError) as error:
            return _refusal(f"{order['do']}: {error}")

    async def _release(self, order: JsonObject) -> JsonObject:
        release_id = bytes.fromhex(order["id"]) if "id" in order else None
        result = await self._backend.release(
            hub=str(order["hub"]),
            access_point=order["access_point"],
            valid_seconds=_valid_seconds(order),
            by=str(order.get("by", FIRST_OPERATOR)),
            seconds=order.get("seconds"),
            release_id=release_id,
        )
        return {
            "id": result.id.hex(),
            "outcome": result.outcome.name.lower(),
            "detail": result.detail,
        }

    async def _order(self, order: JsonObject) -> JsonObject:
        """Let an order stand for a door, or end it (`"on": false`).

        Without an `access_point` it is for all doors.
        """
        result = await self._backend.stand(
            str(order["hub"]),
            DoorOrder[str(order["order"]).upper()],
            bool(order.get("on", True)),
            access_point=order.get("access_point"),
            valid_seconds=_valid_seconds(order),
            until=order.get("until"),
            by=str(order.get("by", FIRST_OPERATOR)),
            order_id=bytes.fromhex(order["id"]) if "id" in order else None,
        )
        return {
            "id": result.id.hex(),
            "outcome": result.outcome.name.lower(),
            "detail": result.detail,
        }

    async def _act(self, order: JsonObject) -> JsonObject:
        result = await self._backend.act(
            hub=str(order["hub"]),
            target=order["target"],
            verb=_verb(order["verb"]),
            level=order.get("level"),
            valid_seconds=_valid_seconds(order),
            by=str(order.get("by", FIRST_OPERATOR)),
            act_id=bytes.fromhex(order["id"]) if "id" in order else None,
        )
        return {
            "id": result.id.hex(),
            "outcomes": {device: outcome.name.lower() for device, outcome in result.outcomes},
            "detail": result.detail,
        }

    async def _telemetry(self, order: JsonObject) -> JsonObject:
        return {"devices": self._backend.telemetry.shown(str(order["hub"]))}

    async def _policy(self, order: JsonObject) -> JsonObject:
        document = await asyncio.to_thread(Path(order["path"]).read_bytes)
        offered = await asyncio.to_thread(self._backend.policies.look_at, document)
        sent = self._backend.policies.push(offered)
        unfinished = self._directory / "policy.new"
        await asyncio.to_thread(unfinished.write_bytes, document)
        unfinished.replace(self._directory / "policy.cbor")
        return {"sent": sent}

    async def _records(self, order: JsonObject) -> JsonObject:
        """Return a page of the hub's records above `after`; `more` tells whether others follow.

        With `last` it begins so many before the newest.
        """
        held = self._backend.records(str(order["hub"]))
        after = int(order.get("after", 0))
        if "last" in order and held:
            after = held[-1].number - int(order["last"])
        wanted = [record for record in held if record.number > after]
        page = wanted[:RECORDS_A_PAGE]
        return {
            "records": [_as_json(record) for record in page],
            "more": len(wanted) > len(page),
        }

    async def _hubs(self, _order: JsonObject) -> JsonObject:
        stopped = {}
        for hub, stop in self._backend.decisions.stops().items():
            stopped[hub] = {
                "cause": stop.cause.name.lower(),
                "why": stop.detail,
                "boots": list(stop.boots),
            }
        forks = [dataclasses.asdict(fork) for fork in self._backend.forks]
        enrolled = sorted(set(self._backend.gate.hubs.values()))
        return {
            "hubs": {hub: self._about(hub) for hub in enrolled},
            "stopped": stopped,
            "renewals": self._backend.renewals.wanted,
            "unknown_keys": list(self._backend.gate.unknown),
            "forks": forks,
        }

    def _about(self, hub: str) -> JsonObject:
        is_connected = self._backend.speakers.is_connected(hub)
        connection = self._backend.connections.get(hub)
        return {
            "connected": is_connected,
            "keys": len(self._backend.gate.keys_of(hub)),
            "came_with_retired_key": hub in self._backend.gate.came_with_retired,
            "records": len(self._backend.records(hub)),
            "policy_version": connection.hello.policy_version if connection else None,
            "policy_drifted": hub in self._backend.policies.drifted,
            "software": connection.hello.software if connection else None,
            "wrong": self._wrong(hub),
        }

    def _wrong(self, hub: str) -> list[str] | None:
        """Return what a hub said last is wrong with it, None where it has not told."""
        said = self._backend.health_states.get(hub)
        if said is None:
            return None
        return [told(trouble.code, trouble.parts).what for trouble in said.troubles]

    async def _revoke(self, order: JsonObject) -> JsonObject:
        keys = self._keys(order["hub"])
        for key in keys:
            self._backend.revoke(key)
        return {"keys": len(keys)}

    async def _allow(self, order: JsonObject) -> JsonObject:
        keys = self._keys(order["hub"])
        for key in keys:
            self._backend.gate.allow(key)
        return {"keys": len(keys)}

    async def _rotate(self, order: JsonObject) -> JsonObject:
        """Ask a hub for a new key; `old` is the one that is to go."""
        return {"old": self._backend.rotate(str(order["hub"]))}

    async def _know(self, order: JsonObject) -> JsonObject:
        """Know a hub by the key that it shows."""
        hub = str(order["hub"])
        key = str(order["key"])
        self._backend.know(hub, key)
        return {"key": key}

    async def _keep(self, order: JsonObject) -> JsonObject:
        hub = str(order["hub"])
        boot = str(order["boot"])
        return {"kept": self._backend.keep(hub, boot)}

    async def _accept(self, order: JsonObject) -> JsonObject:
        archive = self._backend.accept(str(order["hub"]))
        return {"old": str(archive)}

    async def _certificate(self, order: JsonObject) -> JsonObject:
        """Send a hub the newest certificate that lies here for it."""
        return {"sent": self._backend.renewals.hand(str(order["hub"]))}

    def _keys(self, hub: object) -> tuple[str, ...]:
        keys = self._backend.gate.keys_of(str(hub))
        if not keys:
            raise ValueError(f"no hub {hub} is enrolled")
        return keys


def _verb(said: object) -> Verb:
    """Read a verb such as "set-level". Raise ValueError."""
    name = str(said).upper().replace("-", "_")
    if name not in Verb.__members__:
        known = ", ".join(verb.name.lower().replace("_", "-") for verb in Verb)
        raise ValueError(f"expected a verb of {known}")
    return Verb[name]


def _valid_seconds(order: JsonObject) -> float:
    """Return how long an order may wait for its answer. Raise ValueError."""
    valid_seconds = float(order.get("valid_seconds", 10))
    if not 0 < valid_seconds <= VALID_SECONDS_MAX:  # false for NaN, too
        raise ValueError(
            f"valid_seconds is {valid_seconds:g}, expected more than 0 and at most "
            f"{VALID_SECONDS_MAX}"
        )
    return valid_seconds


def _refusal(why: str) -> JsonObject:
    return {"ok": False, "error": why}


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next line, None at the end.

    Of one that is too long return as many bytes as show it.
    """
    too_long = b""
    while True:
        try:
            line = await reader.readuntil()
        except asyncio.IncompleteReadError as error:
            return too_long or error.partial or None
        except asyncio.LimitOverrunError as error:
            too_long = b" " * (MAX_LINE_BYTES + 1)
            await reader.readexactly(error.consumed)
        else:
            return too_long or line


def _as_json(record: StoredRecord) -> JsonObject:
    """Return a record's number, hash and fields; bytes become hexadecimal digits."""
    fields = {}
    for key, value in facts(record.body).items():
        fields[key] = value.hex() if isinstance(value, bytes) else value
    kind = fields.pop("kind")
    at_ms = fields.pop("at")
    return {
        "number": record.number,
        "hash": record.hash.hex(),
        "kind": kind,
        "at_ms": at_ms,
        "detail": fields,
    }
