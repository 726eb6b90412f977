"""A desk's hub, a real hubd with a radio and a door, in front of gateways instead of a backend."""

from __future__ import annotations

import secrets
import time
from pathlib import Path

from nats.aio.msg import Msg
from zmq.utils import z85

from hubcore.backend.uplink import codec, from_backend, from_hub
from hubcore.policy import document as policies
from hubcore.policy.policy import Policy
from hubcore.policy.tree import PIECE_BYTES
from hubgateway.engine.buckets import Buckets
from hubgateway.rules import names
from hubgateway.rules.keyring import Ring, read_ring
from hubsim.site.folder import FIRST_OPERATOR
from hubsim.stage import Stage
from tests.gateway.bench import WAIT_SECONDS, Bench, until

HUB = "hub-1"
RELEASE_SECONDS = 60


class GatewayStage(Stage):
    """A stage without a backend: its hub comes to the gateways of a bench."""

    def __init__(self, path: Path, bench: Bench, extra_config: str = "") -> None:
        super().__init__(path, extra_config=extra_config)
        self.bench = bench
        self.results: dict[bytes, list[from_hub.Result]] = {}

    async def start_backend(self) -> None:
        """Start nothing: tell the hub where the gateways are, and the gateways who it is."""
        places = ", ".join(f'"{gate.endpoint}"' for gate in self.bench.gates)
        text = self.config.read_text()
        line = f'endpoint = "{self.endpoint}"'
        assert line in text
        self.config.write_text(text.replace(line, f"endpoints = [{places}]"))
        (self.site.hub / "backend.pub").write_bytes(self.bench.public)
        for key in self.enrolled():
            await self.bench.put(names.KEYS_BUCKET, key, f"enrolled {HUB}")
        subject = names.subject(names.RESULTS, HUB)
        await self.bench.client.subscribe(subject, cb=self._on_result)

    def enrolled(self) -> list[str]:
        """The keys that the hub was made with, in hexadecimal digits."""
        text = (self.site.backend / "hubs" / f"{HUB}.curve.pub").read_text()
        return [z85.decode(key.encode()).hex() for key in text.split()]

    async def standing(self, key: str) -> str:
        """What the engine says of a key."""
        value, _ = await Buckets(self.bench.js).at(names.KEYS_BUCKET, key)
        return (value or b"").decode()

    async def ring(self) -> Ring:
        """The hub's ring of keys."""
        value, _ = await Buckets(self.bench.js).at(names.RINGS_BUCKET, HUB)
        return read_ring(value)

    async def welcomed(self) -> None:
        """Wait until a gateway has welcomed the hub."""

        async def is_welcome() -> bool:
            backend = (await self.hub("status"))["backend"]
            return backend["last_welcome"] is not None

        await self.until(is_welcome, "a gateway has welcomed the hub")

    async def drained(self) -> int:
        """Wait until every record is acknowledged; return the newest."""
        newest = 0

        async def none_waits() -> bool:
            nonlocal newest
            records = (await self.hub("status"))["records"]
            newest = int(records["last"])
            return bool(records["waiting"] == 0)

        await self.until(none_waits, "all records are acknowledged")
        return newest

    def order(self) -> from_backend.Release:
        """Make a release of the desk's door."""
        expires_at = int(time.time()) + RELEASE_SECONDS
        return from_backend.Release(secrets.token_bytes(16), 1, expires_at, None, FIRST_OPERATOR)

    async def publish(self, order: from_backend.Release) -> None:
        """Give an order as any backend does; the same one again is the same order."""
        await self.bench.js.publish(names.subject(names.COMMANDS, HUB), codec.encode(order))

    async def result(self, order: from_backend.Release) -> from_hub.Result:
        """Wait for the hub's answer; give the same order again meanwhile, as docs/backend.md says.

        Raise TimeoutError.
        """
        for _ in range(int(WAIT_SECONDS / 2)):
            try:
                await until(lambda: order.id in self.results, 2.0)
                return self.results[order.id][0]
            except TimeoutError:
                await self.publish(order)
        raise TimeoutError("nobody answers a release")

    async def release(self) -> from_hub.Result:
        """Release the desk's door; return the hub's answer."""
        order = self.order()
        await self.publish(order)
        return await self.result(order)

    async def offer(self, policy: Policy) -> None:
        """Put the site's newest policy into the engine; return when it is in force."""
        document = (self.site.path / "policy.cbor").read_bytes()
        said = document
        if len(document) > PIECE_BYTES:
            brought = policies.split(document)
            for name, piece in brought.pieces.items():
                await self.bench.put(names.POLICY_BUCKET, names.piece_key(name), piece)
            said = brought.root
        await self.bench.put(names.POLICY_BUCKET, names.root_key(policy.version), said)

        async def in_force() -> bool:
            return bool((await self.hub("status"))["policy_version"] == policy.version)

        await self.until(in_force, f"policy {policy.version} is in force")

    async def _on_result(self, message: Msg) -> None:
        said = codec.decode_from_hub(message.data)
        if isinstance(said, from_hub.Result):
            self.results.setdefault(said.id, []).append(said)
