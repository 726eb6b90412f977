"""The reference phone: `wallet` what it keeps, `machine` what it does, `attempt` how it does it
over a radio.
"""
