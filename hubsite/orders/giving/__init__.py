"""What brings orders to hubs: two ways behind one port, and the part that gives by them."""
