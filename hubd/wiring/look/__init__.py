"""What `hubd --check-config` finds out about the parts of each kind; it starts nothing."""
