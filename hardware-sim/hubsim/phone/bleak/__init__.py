"""A phone on this machine's own Bluetooth adapter, over bleak."""
