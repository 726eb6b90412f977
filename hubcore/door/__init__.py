"""What a door is: its states, and what happens at it."""
