"""The program that updates a hub: what it asks of its machine, and how it goes on for ever."""
