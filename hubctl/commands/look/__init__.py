"""The commands that only look, a file for each noun."""
