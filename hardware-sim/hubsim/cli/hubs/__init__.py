"""What an operator does with hubs: promise, approve, refuse, replace, end."""
