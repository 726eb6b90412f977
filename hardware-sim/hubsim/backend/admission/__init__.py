"""Whom the reference backend lets in, and by which keys."""
