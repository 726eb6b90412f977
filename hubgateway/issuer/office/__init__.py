"""What an operator decides about a fleet, signed with the issuer's key and put into the engine.

Law 1: the issuer's key signs here and is nowhere else. Gateways and engine never have it.
"""
