"""Bytes to values and back, and the signatures over them."""
