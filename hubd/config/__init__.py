"""The configuration: the file, and the sentences about what is wrong in it."""
