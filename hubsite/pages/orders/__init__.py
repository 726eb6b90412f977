"""Pages of orders for doors: what stands, what may be ordered, and the answers of hubs."""
