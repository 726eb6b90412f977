"""The radio on BlueZ, over D-Bus."""
