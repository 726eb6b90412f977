"""Collects the bytes of one request until it is whole.

It only counts: what the bytes mean is read by the web server's parser, once all are there.

Laws:
1. Of one request at most HEAD_BYTES and BODY_BYTES are kept, and one piece that was read.
2. What is never going to be whole is handed on at once, to be refused in words: a head or a body
   above its ceiling, and a body without a length, or with one that cannot be read.
3. A connection serves again only after a request that ended exactly where its bytes ended.
"""

from __future__ import annotations

import re

HEAD_BYTES = 32_768
BODY_BYTES = 1 << 18
_HEAD_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")
_SAYS_LENGTH = re.compile(rb"(?i)\r\ncontent[-_]length[ \t]*:")
_CODED = re.compile(rb"(?i)\r\ntransfer[-_]encoding[ \t]*:")


class Intake:
    """The bytes of one request; `is_exact` once it is whole and nothing came behind it."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_exact = False
        self._wanted: int | None = None

    def take(self, data: bytes) -> bool:
        """Take what was read; tell whether the request is to be handed on."""
        searched_from = max(0, len(self.data) - len(_HEAD_END))
        self.data += data
        if self._wanted is None:
            end = self.data.find(_HEAD_END, searched_from)
            if end < 0:
                return len(self.data) > HEAD_BYTES
            self._wanted = self._whole(end + len(_HEAD_END))
        self.is_exact = len(self.data) == self._wanted
        return len(self.data) >= self._wanted

    def _whole(self, head_bytes: int) -> int:
        """Return how many bytes the request has, -1 for one that is refused (law 2)."""
        head = bytes(self.data[:head_bytes])
        if head_bytes > HEAD_BYTES or _CODED.search(head):
            return -1
        found = _LENGTH.findall(head)
        if len(found) != len(_SAYS_LENGTH.findall(head)) or len(found) > 1:
            return -1
        body = int(found[0]) if found else 0
        return head_bytes + body if body <= BODY_BYTES else -1
