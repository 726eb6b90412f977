"""Where the bridges of a site come, and what is said with them. docs/bridge.md, docs/backend.md."""
