"""What is looked at of the databases before a start, while another process writes them."""
