"""What a process has made ready before it drives, for the session that begins next.

Law: it is used once. What nobody uses is closed.
"""

from __future__ import annotations

from hubd.adapters.keys.keyfiles import HubKeys, load_keys
from hubd.adapters.keys.unchanged import ReadKeys
from hubd.config.file import Config
from hubd.stores import StoresLook


class Ahead:
    """The keys, and a look at the stores."""

    def __init__(self) -> None:
        self._keys: ReadKeys | None = None
        self._look: StoresLook | None = None

    def put(self, keys: ReadKeys, look: StoresLook) -> None:
        """Keep both, in place of older ones."""
        self.end()
        self._keys = keys
        self._look = look

    def keys(self, config: Config) -> HubKeys:
        """Return the keys, read now unless they are here and unchanged. Raise ConfigError."""
        keys = None if self._keys is None else self._keys.take()
        self._keys = None
        return keys or load_keys(config)

    def look(self) -> StoresLook | None:
        """Return the look, the caller's from now on; None without one."""
        look = self._look
        self._look = None
        return look

    def end(self) -> None:
        """Forget both."""
        self._keys = None
        if self._look is not None:
            self._look.end()
            self._look = None
