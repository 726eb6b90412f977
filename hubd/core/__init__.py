"""The pure core: bytes, times and chance come in as arguments, values and effects go out; it knows no world."""
