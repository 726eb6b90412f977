"""Webhooks: records and alarms on their way to programs of others."""
