"""Pages where webhooks are made, tried and ended."""
