"""What hubctl shows of things, one document a thing: devices, card readers, nodes of a network."""
