"""A simulated phone of others: PKOC over Bluetooth LE, from the public apps alone."""
