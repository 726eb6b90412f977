"""hubsite: the server of one site, a program of its own. It knows `hubcore`, never `hubd`."""
