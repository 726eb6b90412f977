"""What happened since hubd started, bounded: for people at the hub."""
