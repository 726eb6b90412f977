"""`hubsite setup`: all parts of a site on one machine, from nothing to a server that serves."""
