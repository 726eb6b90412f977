"""What the hub says to its backend beside its records: telemetry, and alarms ahead of time."""
