"""Use cases around doors: unlocking them and watching them."""
