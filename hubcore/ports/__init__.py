"""What a hub asks of the world: a Protocol each, a file a neighbour, so that real and simulated
parts are alike.

Laws:
1. Adapters and drivers raise only errors of `hubcore.errors`.
2. Every method that waits can be cancelled.
"""
