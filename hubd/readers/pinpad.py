"""The keys of a keypad, one after the other, until they are a PIN.

Laws:
1. `#` ends a PIN, and so does its last possible digit. `*` takes back what was pressed.
2. Keys that wait for more are forgotten after PAD_SECONDS without a key.
3. At most one PIN is kept, and it is in no repr.
"""

from __future__ import annotations

from hubcore.access.cards import PIN_DIGITS

END = "#"
CLEAR = "*"
PAD_SECONDS = 10.0


class PinPad:
    """Takes keys; times are monotonic seconds."""

    def __init__(self, pad_seconds: float = PAD_SECONDS) -> None:
        self._pad_seconds = pad_seconds
        self._digits = ""
        self._ended = False
        self._at = 0.0

    def press(self, keys: str, now: float) -> None:
        """Take keys. What comes after the end of a PIN begins another one."""
        self._forget_old(now)
        self._at = now
        for key in keys:
            if key == CLEAR:
                self.clear()
            elif key == END:
                self._ended = bool(self._digits)
            else:
                self._add(key)

    def take(self, now: float) -> str | None:
        """Return the PIN that was pressed and ended, once; None when there is none."""
        self._forget_old(now)
        if not self._ended:
            return None
        pin = self._digits
        self.clear()
        return pin

    def clear(self) -> None:
        """Forget the keys."""
        self._digits = ""
        self._ended = False

    def _add(self, digit: str) -> None:
        if self._ended:
            self.clear()
        self._digits += digit
        self._ended = len(self._digits) == PIN_DIGITS[-1]

    def _forget_old(self, now: float) -> None:
        if now - self._at > self._pad_seconds:
            self.clear()
