"""Where new hubs come: the port, and the desk that answers there."""
