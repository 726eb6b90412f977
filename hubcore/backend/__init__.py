"""The talk between hub and backend (docs/uplink.md)."""
