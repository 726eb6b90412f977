"""How requests come in and answers go out: by one thread that waits, so that no other one must."""
