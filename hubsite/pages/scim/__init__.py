"""What directories ask of this server, and the page of their tokens."""
