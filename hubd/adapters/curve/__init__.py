"""The uplink, on CurveZMQ."""
