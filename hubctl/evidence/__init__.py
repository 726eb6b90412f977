"""The evidence on the disk, which may have been made to deceive: opened, read and checked."""
