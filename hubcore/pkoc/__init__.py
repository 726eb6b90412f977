"""PKOC over Bluetooth LE, the reader's side: phones that others make. Pure."""
