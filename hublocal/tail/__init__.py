"""Events for who looks on: queued, remembered, and told until the onlooker goes."""
