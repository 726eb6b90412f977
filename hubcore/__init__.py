"""hubcore: the ground floor of an access hub: pure values, rules and messages; it knows no other."""
