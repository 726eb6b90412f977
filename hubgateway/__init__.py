"""hubgateway: hubs talk CurveZMQ to it, and it keeps what they say in NATS JetStream."""
