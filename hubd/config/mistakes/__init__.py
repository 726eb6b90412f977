"""What a mistake in the file is, and where it stands there, in words for who wrote it."""
