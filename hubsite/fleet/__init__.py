"""The site's hubs: how each of them is, and which machines want to be one."""
