"""Who is who at the site: people, doors, hours, grants. Names of people are here alone."""
