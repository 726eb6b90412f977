"""The keys by which the reference backend knows its hubs, and how a hub changes its own.

Laws:
1. A hub is known by one key, or by two while it changes: the one it comes with, and the new one.
2. What is said in a KeyTaken is on the disk before.
3. A new key counts only with the proof that the hub has its secret, and if no other hub has it, or
   had it, and it was never retired or revoked.
4. Only the key that a message came with can bring another one, or retire the one before it.
5. A retired key is remembered: whoever comes with it has an older state of the hub, or a copy.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from zmq.utils import z85

from hubcore.backend.uplink.from_backend import KeyTaken
from hubcore.backend.uplink.from_hub import NewKey, RetireKey
from hubcore.backend.uplink.words import KEY_BYTES, KEYS_MAX
from hubcore.codec.keyproof import is_proof, proof_of
from hubsim.backend.admission.zap import Gate
from hubsim.durable import write_durably

RETIRED_MAX = 64
"""Of each hub; then the oldest is forgotten."""

_KEY_SUFFIX = ".curve.pub"
_RETIRED_SUFFIX = ".curve.retired"


class HubFiles(Mapping[str, str]):
    """Public key (Z85) to hub id, from the files `<hub>.curve.pub` in a directory, a key a line.

    Each look-up reads them again. An OSError of the directory goes to the caller: a directory that
    is away is not the same as an unknown key. `after_step` is called when something is on the disk.
    """

    def __init__(
        self, directory: Path, after_step: Callable[[str], None] = lambda _step: None
    ) -> None:
        self._directory = directory
        self._after_step = after_step

    def _read(self, suffix: str = _KEY_SUFFIX) -> dict[str, str]:
        hubs = {}
        for path in self._directory.iterdir():
            if path.name.endswith(suffix):
                for line in path.read_text("ascii", "replace").splitlines():
                    key = line.partition(" ")[0].strip()
                    hubs[key] = path.name.removesuffix(suffix)
        return hubs

    def __getitem__(self, key: str) -> str:
        return self._read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def keys_of(self, hub: str) -> tuple[str, ...]:
        """Return the keys of a hub, none for one that is not enrolled. Raise OSError."""
        self._directory.stat()
        try:
            return tuple((self._directory / f"{hub}{_KEY_SUFFIX}").read_text("ascii").split())
        except FileNotFoundError:
            return ()

    def hub_of_retired(self, key: str) -> str | None:
        """Return the hub that had this key once. Raise OSError."""
        return self._read(_RETIRED_SUFFIX).get(key)

    def hold(self, hub: str, keys: Sequence[str]) -> None:
        """Know a hub by these keys from now on; the others are retired. Durable on return."""
        before = self.keys_of(hub)
        gone = [key for key in before if key not in keys]
        if gone:
            self._retire(hub, gone)
        if tuple(keys) != before:
            text = "".join(f"{key}\n" for key in keys)
            write_durably(self._directory / f"{hub}{_KEY_SUFFIX}", text)
            self._after_step("keys held")

    def know(self, hub: str, key: str) -> None:
        """Know a hub by this key alone, as a person has decided: after either side was put back.

        Raise ValueError for a key that it cannot be, OSError when the disk refuses.
        """
        try:
            is_key = len(z85.decode(key.encode("ascii"))) == KEY_BYTES
        except (ValueError, UnicodeError):
            is_key = False
        if not is_key:
            raise ValueError("a key has 40 characters of Z85: take the one that the hub shows")
        if not self.keys_of(hub):
            raise ValueError(f"no hub {hub} is enrolled")
        holder = self.get(key, hub)
        if holder == hub:
            holder = self.hub_of_retired(key) or hub
        if holder != hub:
            raise ValueError(f"this is a key of hub {holder}")
        self.hold(hub, [key])

    def _retire(self, hub: str, keys: Sequence[str]) -> None:
        path = self._directory / f"{hub}{_RETIRED_SUFFIX}"
        lines = path.read_text("ascii").splitlines() if path.exists() else []
        known = {line.partition(" ")[0] for line in lines}
        lines += [f"{key} {int(time.time())}" for key in keys if key not in known]
        write_durably(path, "".join(f"{line}\n" for line in lines[-RETIRED_MAX:]))
        self._after_step("keys retired")


class KeyChanges:
    """Answers what hubs say about their keys. `secrets` are the backend's own, 32 bytes each."""

    def __init__(self, gate: Gate, secrets: Sequence[tuple[bytes, bytes]]) -> None:
        """`secrets`: pairs of secret and public key."""
        self._gate = gate
        self._own = tuple(secrets)

    def answer(self, hub: str, key: str, message: NewKey | RetireKey) -> KeyTaken:
        """Do what a hub asks for on a connection opened with `key` (Z85), and say how it ended.

        Raise OSError when the disk refuses: then nothing is said, and the hub asks again.
        """
        hubs = self._gate.hubs
        if not isinstance(hubs, HubFiles):
            return self._refusal(message, key, "this backend cannot change the keys of hubs")
        if isinstance(message, RetireKey):
            hubs.hold(hub, [key])
            return KeyTaken(z85.decode(key.encode()), 1, "")
        why = self._why_not(hubs, hub, key, message)
        if why:
            return self._refusal(message, key, why)
        hubs.hold(hub, [key, _text(message.key)])
        return KeyTaken(message.key, KEYS_MAX, "")

    def _why_not(self, hubs: HubFiles, hub: str, key: str, message: NewKey) -> str:
        new = _text(message.key)
        if new == key:
            return "this is the key of this connection"
        if hubs.get(new, hub) != hub:
            return "another hub has this key"
        if hubs.hub_of_retired(new) is not None or self._gate.is_revoked(new):
            return "this key was in use before"
        if not any(self._proves(hub, key, message, own) for own in self._own):
            return "nothing proves that the hub has this key's secret"
        return ""

    def _proves(self, hub: str, key: str, message: NewKey, own: tuple[bytes, bytes]) -> bool:
        secret, public = own
        try:
            expected = proof_of(
                secret,
                message.key,
                hub=hub,
                old=z85.decode(key.encode()),
                new=message.key,
                backend=public,
            )
        except ValueError:
            return False
        return is_proof(message.proof, expected)

    def _refusal(self, message: NewKey | RetireKey, key: str, why: str) -> KeyTaken:
        about = message.key if isinstance(message, NewKey) else z85.decode(key.encode())
        return KeyTaken(about, 1, why)


def _text(key: bytes) -> str:
    return str(z85.encode(key).decode("ascii"))
