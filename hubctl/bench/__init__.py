"""Measures on this hub what an unlock needs of it: the processor, the disk, the radio's bus."""
