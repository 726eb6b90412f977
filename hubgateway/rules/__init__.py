"""What the gateway goes by: pure, without a clock, a socket or the engine."""
