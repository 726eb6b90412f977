"""The audit log as use cases see it: paced, and with what records prove noted."""
