"""Which keys the hub has, and how a technician has one changed."""
