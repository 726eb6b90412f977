"""What a bridge keeps on its disk, in SQLite."""
