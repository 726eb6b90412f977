"""`hubctl top`: asks the hub, and shows it on a terminal. What it shows is in `shown`."""
