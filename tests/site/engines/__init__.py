"""The engine that the server and its hubs speak by: its accounts, and who it proves to be."""
