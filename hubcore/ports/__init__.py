"""What a hub asks of the world: one Protocol each, one file a neighbour.

Real and simulated parts are alike behind them.

Laws:
1. Adapters and drivers raise only errors of `hubcore.errors`.
2. Every method that waits can be cancelled.
"""
