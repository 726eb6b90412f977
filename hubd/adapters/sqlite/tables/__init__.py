"""Tables beside the records, each made from what they say."""
