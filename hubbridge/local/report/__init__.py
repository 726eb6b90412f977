"""What a bridge knows of its site, as documents for people.

Laws:
1. What a hub says of itself is shown as that. `connected` alone is what the bridge sees.
2. A hub that the site has ended is no hub of the site any more, whatever is held of it.
3. No document is longer than the socket takes: lists have ceilings, and say what they leave out.
"""
