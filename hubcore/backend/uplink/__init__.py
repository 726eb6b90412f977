"""The messages between hub and backend: their shapes, sizes and exact bytes.

docs/uplink.md has the table.
"""
