"""What is wrong and what to do: health, status, clock, disk and all that is watched."""
