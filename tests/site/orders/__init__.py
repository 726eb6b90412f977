"""Orders for doors: asked, given, answered, ended."""
