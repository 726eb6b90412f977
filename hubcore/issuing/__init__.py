"""What a site's server may have signed by the issuer: messages, limits, and the rules between."""
