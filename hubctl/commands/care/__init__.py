"""The commands that check and keep a hub, a file for each."""
