"""What is signed of a site's rows, by whom, and when."""
