"""What `hubctl report` shows of the last days: sums over the evidence, charts, one page."""
