"""The commands of `hubsim`: a command a file, or a group of commands a file."""
