"""Orders for doors: lockdown, no entry, hold open, their ends, and a release."""
