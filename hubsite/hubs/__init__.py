"""The hubs of the site: what is signed for them, and how it gets there."""
