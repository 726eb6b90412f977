"""TLS between the machines of a site, by its own authority alone. It knows `hubcore`."""
