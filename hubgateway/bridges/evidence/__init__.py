"""What bridges bring of records: by whose word they count, and what is signed for them."""
