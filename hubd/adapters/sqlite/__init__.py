"""The stores, on SQLite."""
