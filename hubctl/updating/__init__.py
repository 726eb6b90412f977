"""What `hubupdate` shows of itself, as hubctl reads and judges it."""
