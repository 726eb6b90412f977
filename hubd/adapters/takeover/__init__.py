"""How two processes of hubd hand a hub over: the socket pair between them."""
