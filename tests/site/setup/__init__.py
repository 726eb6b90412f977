"""How a site's machine is set up, and the server's file."""
