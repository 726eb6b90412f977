"""A door for desks: its lines, its strike and the hand that pulls it."""
