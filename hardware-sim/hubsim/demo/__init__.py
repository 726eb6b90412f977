"""The demo: the main job, step by step, on real bytes."""
