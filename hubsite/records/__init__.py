"""What hubs have recorded, as far as it proves itself: a view of the engine's copy."""
