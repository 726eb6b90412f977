"""The reference backend's door for operators: JSON lines on a unix socket, and the hubs enrolled as
files.

Laws:
1. Only the owner's account may connect (the socket's mode is 0600).
2. Each line gets exactly one line back, with `"ok": true` or `"ok": false` and an `"error"`
   sentence; a wrong line ends nothing, a line over MAX_LINE_BYTES not either.
3. An answer has a ceiling, too: records come in pages of at most RECORDS_A_PAGE.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubcore.errors import ConfigError, HubError
from hubcore.evidence.records import StoredRecord, facts

if TYPE_CHECKING:
    from hubsim.backend.server import Backend

MAX_LINE_BYTES = 65536
RECORDS_A_PAGE = 1000
MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""A page of the largest records, as JSON."""
VALID_SECONDS_MAX = 86_400
"""An order waits this long for its answer at most; what a hub takes is its own, shorter limit."""
SUFFIX = ".curve.pub"


class HubFiles(Mapping[str, str]):
    """Public key (Z85) to hub id, out of the files `<hub>.curve.pub` in a directory, read anew each
    time.

    An OSError of the directory goes to the caller: it is away, which is not the same as an unknown
    key.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _read(self) -> dict[str, str]:
        files = [path for path in self._directory.iterdir() if path.name.endswith(SUFFIX)]
        return {
            path.read_text("ascii", "replace").strip(): path.name.removesuffix(SUFFIX)
            for path in files
        }

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())


class Control:
    """Serve `backend.sock` in the site's directory."""

    def __init__(self, backend: Backend, directory: Path) -> None:
        self._backend = backend
        self._directory = directory
        self._orders = {
            "release": self._release,
            "policy": self._policy,
            "records": self._records,
            "hubs": self._hubs,
            "revoke": self._revoke,
            "allow": self._allow,
            "keep": self._keep,
            "accept": self._accept,
        }

    async def serve(self, ready: Callable[[], None]) -> None:
        """Take orders until cancelled. Raise ConfigError when the socket cannot be made."""
        path = self._directory / "backend.sock"
        async with asyncio.TaskGroup() as group:

            def visitor(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                group.create_task(self._talk(reader, writer))

            before = os.umask(0o177)
            try:
                with suppress(FileNotFoundError):
                    # left over from a kill; two backends for one directory are the operator's error
                    path.unlink()
                server = await asyncio.start_unix_server(visitor, path, limit=MAX_LINE_BYTES)
            except OSError as error:
                raise ConfigError(f"backend: cannot listen on {path}: {error}") from error
            finally:
                os.umask(before)
            async with server:
                ready()
                await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (line := await _line(reader)) is not None:
                writer.write(json.dumps(await self.answer(line)).encode() + b"\n")
                await writer.drain()
        except OSError:  # the other side has gone
            pass
        finally:
            writer.close()

    async def answer(self, line: bytes) -> dict[str, Any]:
        """Do what one line asks; return the answer."""
        if len(line) > MAX_LINE_BYTES:
            return {"ok": False, "error": f"a line has at most {MAX_LINE_BYTES} bytes"}
        try:
            order = json.loads(line)
            do = self._orders[order["do"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return {
                "ok": False,
                "error": f'expected a JSON object with "do": one of {", ".join(self._orders)}',
            }
        try:
            return {"ok": True, **await do(order)}
        except KeyError as error:
            return {"ok": False, "error": f"{order['do']}: {error} is missing"}
        except (HubError, OSError, ValueError, TypeError, ArithmeticError) as error:
            return {"ok": False, "error": f"{order['do']}: {error}"}

    async def _release(self, order: dict[str, Any]) -> dict[str, Any]:
        valid_seconds = float(order.get("valid_seconds", 10))
        if not 0 < valid_seconds <= VALID_SECONDS_MAX:  # also what is no number (NaN)
            raise ValueError(
                f"valid_seconds is {valid_seconds:g}, expected more than 0 and at most "
                f"{VALID_SECONDS_MAX}"
            )
        result = await self._backend.release(
            str(order["hub"]),
            order["access_point"],
            valid_seconds,
            str(order.get("by", "operator")),
            seconds=order.get("seconds"),
            release_id=bytes.fromhex(order["id"]) if "id" in order else None,
        )
        return {
            "id": result.id.hex(),
            "outcome": result.outcome.name.lower(),
            "detail": result.detail,
        }

    async def _policy(self, order: dict[str, Any]) -> dict[str, Any]:
        document = await asyncio.to_thread(Path(order["path"]).read_bytes)
        sent = self._backend.push_policy(document)
        kept = self._directory / "policy.cbor"
        await asyncio.to_thread(kept.with_suffix(".new").write_bytes, document)
        kept.with_suffix(".new").replace(kept)
        return {"sent": sent}

    async def _records(self, order: dict[str, Any]) -> dict[str, Any]:
        """The hub's records above `after`, in order, at most a page; `more` tells whether others
        follow.
        """
        after = int(order.get("after", 0))
        records = [
            record for record in self._backend.records(str(order["hub"])) if record.number > after
        ]
        page = records[:RECORDS_A_PAGE]
        return {"records": [_told(record) for record in page], "more": len(records) > len(page)}

    async def _hubs(self, _order: dict[str, Any]) -> dict[str, Any]:
        connected = self._backend.sessions
        return {
            "hubs": {
                hub: {
                    "connected": hub in connected,
                    "records": len(self._backend.records(hub)),
                    "policy_version": connected[hub].hello.policy_version
                    if hub in connected
                    else None,
                    "software": connected[hub].hello.software if hub in connected else None,
                }
                for hub in sorted(self._backend.gate.hubs.values())
            },
            "stopped": {
                hub: {
                    "cause": stop.cause.name.lower(),
                    "why": stop.detail,
                    "boots": list(stop.boots),
                }
                for hub, stop in self._backend.decisions.stops().items()
            },
            "forks": [
                {"hub": fork.hub, "number": fork.number, "why": fork.why}
                for fork in self._backend.forks
            ],
        }

    async def _revoke(self, order: dict[str, Any]) -> dict[str, Any]:
        self._backend.revoke(self._key(order["hub"]))
        return {}

    async def _allow(self, order: dict[str, Any]) -> dict[str, Any]:
        self._backend.gate.allow(self._key(order["hub"]))
        return {}

    async def _keep(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"kept": self._backend.keep(str(order["hub"]), str(order["boot"]))}

    async def _accept(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"old": str(self._backend.accept(str(order["hub"])))}

    def _key(self, hub: str) -> str:
        for key, enrolled in self._backend.gate.hubs.items():
            if enrolled == hub:
                return key
        raise ValueError(f"no hub {hub} is enrolled")


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """Return the next line, None at the end; of one that is too long only as much as shows it."""
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


def _told(record: StoredRecord) -> dict[str, Any]:
    """A record as JSON: its number, its hash and its fields, bytes as hexadecimal."""
    said = facts(record.body)
    plain = {key: value.hex() if isinstance(value, bytes) else value for key, value in said.items()}
    kind = plain.pop("kind")
    at_ms = plain.pop("at")
    return {
        "number": record.number,
        "hash": record.hash.hex(),
        "kind": kind,
        "at_ms": at_ms,
        "detail": plain,
    }
