"""Where hubs come: TLS 1.3 on the address of the site's own network."""
