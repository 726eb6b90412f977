"""The only place that knows a kind: which movers, inputs, radio and uplink a hub has."""
