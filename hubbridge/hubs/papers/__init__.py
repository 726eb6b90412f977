"""What a bridge keeps of papers that others have signed: mandates, and whom the site has ended."""
