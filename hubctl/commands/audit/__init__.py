"""`hubctl audit`: the evidence, with the daemon up, down, or from a copy."""
