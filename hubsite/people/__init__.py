"""People as other programs know them: the ids they have elsewhere, and whole files of people."""
