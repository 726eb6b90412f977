"""What every program here does at a terminal: its streams, and texts that are safe to show."""
