"""Between the words that are typed and the commands: the quick way, `-o`, completion."""
