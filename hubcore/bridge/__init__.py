"""What hub and bridge say to each other, and what each of them may believe. docs/bridge.md."""
