"""A link as a QR code (ISO/IEC 18004), to be read from the screen by a phone."""

from __future__ import annotations

import io

import segno

SCALE = 4
"""Pixels of the screen a module."""


def qr_of(link: str) -> str:
    """Return an SVG element: black on white in every colour scheme, without style or script."""
    code = segno.make(link, error="m", micro=False)
    return str(code.svg_inline(scale=SCALE, dark="#000", light="#fff"))


def qr_in_words(link: str) -> str:
    """Return lines for a terminal: half blocks, two modules a line, with the quiet zone."""
    out = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out, compact=True)
    return out.getvalue()
