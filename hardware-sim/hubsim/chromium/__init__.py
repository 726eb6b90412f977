"""A real browser, and the radio that it believes to have: pages meet hubs on the virtual air."""
