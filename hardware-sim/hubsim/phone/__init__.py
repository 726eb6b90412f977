"""The reference phone: `wallet` is what it has, `machine` what it does, `attempt` performs it."""
