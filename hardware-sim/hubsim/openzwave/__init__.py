"""A simulated Z-Wave stick on a pty, with nodes behind it, for libraries that own the stick."""
