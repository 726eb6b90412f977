"""What a bridge says to its hubs, and what it knows of each."""
