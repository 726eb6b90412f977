"""The site's server when it is full: its pages, and phones that come at once."""
