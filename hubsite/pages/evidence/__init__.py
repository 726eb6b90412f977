"""The pages of records: found, shown with their proof, verified, exported."""
