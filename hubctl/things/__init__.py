"""What hangs on a hub, one thing at a time: devices, Z-Wave nodes, card readers."""
