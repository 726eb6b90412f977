"""Who signs in, by what, and what operators did."""
