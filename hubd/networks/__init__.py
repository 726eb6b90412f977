"""What a technician does with a network of devices: takes in, takes out, asks, has mended."""
