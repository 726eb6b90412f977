"""`hubissuer serve`: it signs for a site's server by rules, away from that server.

Law: the web server asks, and never sees the key. What it may have is `hubcore.issuing.rules`.
"""
