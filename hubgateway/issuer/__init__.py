"""The operator's program of a fleet, where the issuer's key is: `hubissuer`."""
