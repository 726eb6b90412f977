"""Z-Wave through zwave-js: a service of its own on this machine, and a client in hubd."""
