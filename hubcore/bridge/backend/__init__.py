"""What bridge and backend say to each other, and when. docs/bridge.md, "Bridge and backend"."""
