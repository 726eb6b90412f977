"""Passkeys of phones in a browser: by one its person connects again after the browser forgot."""
