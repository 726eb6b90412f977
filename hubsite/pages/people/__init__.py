"""Pages for whole files of people."""
