"""Z-Wave by python-openzwave, in a process of its own: for sites whose S0 network runs on it."""
