"""This machine: keys, clock, log, disk, systemd."""
