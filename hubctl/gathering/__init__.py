"""What `hubctl bugreport` gathers: each part apart, bounded, and without secrets or persons."""
