"""What is typed at the machine of the server."""
