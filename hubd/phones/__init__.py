"""Use cases around phones: links, the keys of epochs, what is refused."""
