"""What makes the parts of a hub, a file for each subject. `hubd.app` joins them."""
