"""The Device Bridge: a site goes on when its backend is away. It knows `hubcore`, never `hubd`."""
