"""hubupdate: brings a new version of hubd into the other slot, and knows nothing of hubd."""
