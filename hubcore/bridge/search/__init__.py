"""The search for a bridge in the network of the hubs: multicast DNS, as far as that takes."""
