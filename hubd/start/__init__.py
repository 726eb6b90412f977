"""What runs beside the daemon: the check of its configuration, and securing after its end."""
