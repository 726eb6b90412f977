"""Commands about the bridges of a site, and the gateways that they call."""
