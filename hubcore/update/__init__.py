"""Updates of a hub: two slots, when a new version may come, and what shows that it is well."""
