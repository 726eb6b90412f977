"""What happened: records, and what they prove about time and state."""
