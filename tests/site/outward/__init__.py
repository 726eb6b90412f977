"""What the server tells others, and by what it knows them."""
