"""Whether this server's clock is believed, before anything is removed by its age."""
