"""The way over a bridge of the site: records to it, and what it carries to the hub."""
