"""The will of the site, signed and versioned: what a hub is told to do, whole."""
