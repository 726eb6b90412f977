"""Use cases around the policy: taking a new one, believing the one on the disk."""
