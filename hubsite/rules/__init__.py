"""Pure rules of a site's server: no database, no clock, no page."""
