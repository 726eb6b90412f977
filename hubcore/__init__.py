"""The ground floor of an access hub: pure values, rules and messages, which know nothing above."""
