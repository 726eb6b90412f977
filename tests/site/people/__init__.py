"""People, groups, doors, hours and grants: by pages, by files, by directories."""
