"""Readers beside the phones: a card, or a card and a PIN, becomes a claim like any other."""
