"""What the issuer lets a site grant and order alone, as the mandate of its key says."""
