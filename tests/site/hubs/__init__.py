"""Hubs on the pages: how they are, and new ones."""
