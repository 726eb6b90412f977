"""NATS JetStream, as the gateway uses it."""
