"""The only place that knows a kind: which radio, strike, input and key file a hub has."""
