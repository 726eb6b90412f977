"""What a technician asks about one door at the hub, and does to it."""
